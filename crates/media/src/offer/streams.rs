//! Which streams a section of an offer announces.

/// What an offer says of the streams that the client sends in one section.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SectionStreams {
    /// Of a simulcast section, in the order of the offer (RFC 8853).
    pub(crate) rids: Vec<String>,
    /// Of others: the SSRC (RFC 5576), and that of its retransmissions (`a=ssrc-group:FID`, RFC 4588
    /// section 8.8). Most clients also say in their packets which section they belong to.
    pub(crate) ssrc: Option<(u32, Option<u32>)>,
}

/// SSRCs that are read of one section: those of one stream, its retransmissions, and its repair.
const MOST_SSRCS: usize = 8;

impl SectionStreams {
    /// Reads it of the section with this mid. What cannot be read is left out: packets may still tell.
    pub(super) fn read(sdp: &str, mid: &str) -> Self {
        let sections = sdp.split("\r\nm=").skip(1);
        let is_it = |section: &&str| section.lines().any(|line| line.strip_prefix("a=mid:") == Some(mid));
        let Some(section) = sections.into_iter().find(is_it) else { return Self::default() };
        let (mut rids, mut ssrcs, mut repaired) = (Vec::new(), Vec::new(), Vec::new());
        for line in section.lines() {
            let Some((name, value)) = line.strip_prefix("a=").and_then(|line| line.split_once(':')) else { continue };
            let mut words = value.split(' ');
            match name {
                // `l send …` (RFC 8851)
                "rid" => {
                    if let (Some(rid), Some("send")) = (words.next(), words.next()) {
                        rids.push(rid.to_owned());
                    }
                }
                "ssrc" => {
                    let ssrc = words.next().and_then(|ssrc| ssrc.parse::<u32>().ok());
                    if let Some(ssrc) = ssrc.filter(|ssrc| !ssrcs.contains(ssrc) && ssrcs.len() < MOST_SSRCS) {
                        ssrcs.push(ssrc);
                    }
                }
                "ssrc-group" => {
                    let is_pair = words.next() == Some("FID");
                    let mut ssrc = || words.next().and_then(|ssrc| ssrc.parse::<u32>().ok());
                    if let (true, Some(media), Some(rtx)) = (is_pair, ssrc(), ssrc())
                        && repaired.len() < MOST_SSRCS
                    {
                        repaired.push((media, rtx));
                    }
                }
                _ => {}
            }
        }
        let is_rtx = |ssrc: &&u32| repaired.iter().any(|(_, rtx)| rtx == *ssrc);
        let first = ssrcs.iter().find(|ssrc| !is_rtx(ssrc));
        let rtx = |ssrc: u32| repaired.iter().find(|(media, _)| *media == ssrc).map(|(_, rtx)| *rtx);
        Self { rids, ssrc: first.map(|ssrc| (*ssrc, rtx(*ssrc))) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SDP: &str = "v=0\r\na=mid:x\r\nm=audio 9 X 111\r\na=mid:0\r\na=ssrc:5 cname:a\r\na=ssrc:5 msid:b\r\n\
        m=video 9 X 96 97\r\na=mid:1\r\na=ssrc-group:FID 7 8\r\na=ssrc:8 cname:a\r\na=ssrc:7 cname:a\r\n\
        m=video 9 X 96\r\na=mid:2\r\na=rid:q send\r\na=rid:f send pt=96\r\na=rid:r recv\r\na=ssrc:x\r\n";

    #[test]
    fn a_section_has_one_stream_by_its_ssrc_or_several_by_their_rids() {
        let read = |mid| SectionStreams::read(SDP, mid);
        assert_eq!(read("0"), SectionStreams { rids: vec![], ssrc: Some((5, None)) });
        assert_eq!(read("1"), SectionStreams { rids: vec![], ssrc: Some((7, Some(8))) });
        assert_eq!(read("2"), SectionStreams { rids: vec!["q".into(), "f".into()], ssrc: None });
        assert_eq!((read("x"), read("3")), (SectionStreams::default(), SectionStreams::default()));
    }
}
