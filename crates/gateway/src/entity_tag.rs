//! Entity tags and the precondition that uses them (RFC 9110 sections 8.8.3 and 13.1.1).

use std::fmt;

/// A strong entity tag. Names one ICE session: every restart gives another (RFC 9725 section 4.3.1.2).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct EntityTag(u128);

impl EntityTag {
    /// From a random number, so that no two sessions ever share one.
    pub const fn new(random: u128) -> Self {
        Self(random)
    }
}

/// As it stands in `ETag`, with its quotes.
impl fmt::Display for EntityTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{:032x}\"", self.0)
    }
}

impl fmt::Debug for EntityTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EntityTag({self})")
    }
}

/// What a request says in `If-Match`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfMatch<'a> {
    /// Nothing: there is no such header.
    Absent,
    /// `*`: any ICE session, which is how a restart is asked for.
    Any,
    /// A list of entity tags.
    Tags(&'a str),
}

impl<'a> IfMatch<'a> {
    /// From the header's value.
    pub fn parse(value: Option<&'a str>) -> Self {
        match value.map(str::trim) {
            None => Self::Absent,
            Some("*") => Self::Any,
            Some(list) => Self::Tags(list),
        }
    }

    /// Whether the list names this tag. The comparison is strong: a weak tag never does (RFC 9110
    /// section 8.8.3.2).
    pub fn names(self, tag: EntityTag) -> bool {
        let Self::Tags(list) = self else { return false };
        // No tag of ours holds a comma, so a foreign one that does cannot be split into one of ours.
        list.split(',').any(|listed| listed.trim() == tag.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAG: EntityTag = EntityTag::new(0xabc);

    #[test]
    fn a_tag_is_strong_quoted_and_as_long_as_its_number() {
        assert_eq!(TAG.to_string(), "\"00000000000000000000000000000abc\"");
    }

    #[test]
    fn only_the_whole_strong_tag_matches() {
        let names = |value: &str| IfMatch::parse(Some(value)).names(TAG);
        assert!(names("\"00000000000000000000000000000abc\""));
        assert!(names("\"x\", \"00000000000000000000000000000abc\" "));
        for other in
            ["", "\"\"", "00000000000000000000000000000abc", "\"0abc\"", "W/\"00000000000000000000000000000abc\""]
        {
            assert!(!names(other), "{other}");
        }
        assert!(!IfMatch::Any.names(TAG) && !IfMatch::Absent.names(TAG));
    }

    #[test]
    fn a_star_is_told_from_a_list_and_from_nothing() {
        assert_eq!(IfMatch::parse(None), IfMatch::Absent);
        assert_eq!(IfMatch::parse(Some(" * ")), IfMatch::Any);
        assert_eq!(IfMatch::parse(Some("\"*\"")), IfMatch::Tags("\"*\""));
    }
}
