//! What a bot has seen.

use conclave_qos::Time;
use conclave_rtp::srtp::Profile;

use crate::measure::Histogram;

/// Everything that a bot counts, from its start.
#[derive(Clone, Debug, Default)]
pub struct BotReport {
    /// When ICE and DTLS were done.
    pub connected: Option<Time>,
    /// When the first packet of anything came.
    pub first_packet: Option<Time>,
    /// When the first packet of video came.
    pub first_video: Option<Time>,
    /// When the first packet of the first key frame came.
    pub first_key_frame: Option<Time>,
    /// How packets are protected.
    pub profile: Option<Profile>,
    /// The connection failed or was closed.
    pub ended: bool,
    /// RTP packets of media that came, without retransmissions.
    pub packets: u64,
    /// Those of them that are video.
    pub video_packets: u64,
    /// Bytes of those packets, from the RTP header to the tag of SRTP.
    pub bytes: u64,
    /// Sequence numbers that never came.
    pub lost: u64,
    /// Packets that came by retransmission.
    pub recovered: u64,
    /// Packets that came twice.
    pub duplicates: u64,
    /// Packets that could not be decrypted, of those that were to be.
    pub undecryptable: u64,
    /// Packets with a stamp: those of sampled bots.
    pub stamped: u64,
    /// Stamps that are missing between two that came, of the same stream: loss, also where the server has closed the
    /// gap in the sequence numbers, or a switch of layer.
    pub missing_stamps: u64,
    /// When the last packet with a stamp came of each stream, by the stream's number in stamps.
    pub heard: Vec<(u32, Time)>,
    /// Packets that were asked for again.
    pub nacked: u64,
    /// Key frames that were asked for.
    pub key_frames_asked: u64,
    /// RTP packets sent, without retransmissions.
    pub sent_packets: u64,
    /// Bytes of those, from the RTP header to the tag of SRTP.
    pub sent_bytes: u64,
    /// Packets sent again because the server asked.
    pub retransmitted: u64,
    /// Key frames sent.
    pub key_frames_sent: u64,
    /// Requests for a key frame that came from the server.
    pub key_frames_wanted: u64,
    /// From the publisher's stamp to the kernel's, of sampled bots.
    pub latency: Option<Box<Histogram>>,
}

impl BotReport {
    /// A stamped packet of this stream has come.
    pub(super) fn note_heard(&mut self, stream: u32, now: Time) {
        match self.heard.iter_mut().find(|(known, _)| *known == stream) {
            Some((_, at)) => *at = now,
            None => self.heard.push((stream, now)),
        }
    }

    /// Adds the counts and distributions of another one; moments are left alone.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.counts().into_iter().zip(other.clone().counts()) {
            *mine += *theirs;
        }
        self.profile = self.profile.or(other.profile);
        if let Some(theirs) = &other.latency {
            self.latency.get_or_insert_default().merge(theirs);
        }
    }

    /// What was counted since `earlier`, a copy of this one; moments are those of this one.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let (mut since, mut before) = (self.clone(), earlier.clone());
        for (now, then) in since.counts().into_iter().zip(before.counts()) {
            *now = now.saturating_sub(*then);
        }
        if let (Some(now), Some(then)) = (&self.latency, &earlier.latency) {
            since.latency = Some(Box::new(now.since(then)));
        }
        since
    }

    fn counts(&mut self) -> [&mut u64; 16] {
        [
            &mut self.packets,
            &mut self.video_packets,
            &mut self.bytes,
            &mut self.lost,
            &mut self.recovered,
            &mut self.duplicates,
            &mut self.undecryptable,
            &mut self.stamped,
            &mut self.missing_stamps,
            &mut self.nacked,
            &mut self.key_frames_asked,
            &mut self.sent_packets,
            &mut self.sent_bytes,
            &mut self.retransmitted,
            &mut self.key_frames_sent,
            &mut self.key_frames_wanted,
        ]
    }
}
