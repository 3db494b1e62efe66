//! The media types of both protocols' bodies.

/// What a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaType {
    /// A whole description, `application/sdp` (RFC 8866 section 8.1).
    Sdp,
    /// A part of one, `application/trickle-ice-sdpfrag` (RFC 8840 section 9.1).
    SdpFragment,
}

impl MediaType {
    /// As it stands in a header.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sdp => "application/sdp",
            Self::SdpFragment => "application/trickle-ice-sdpfrag",
        }
    }

    /// Whether a `Content-Type` names it. Case and parameters do not matter (RFC 9110 section 8.3.1).
    pub fn is_named_by(self, content_type: Option<&str>) -> bool {
        let essence = content_type.and_then(|value| value.split(';').next());
        essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case(self.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_and_case_do_not_matter_and_other_types_are_others() {
        assert!(MediaType::Sdp.is_named_by(Some("Application/SDP; charset=utf-8")));
        assert!(MediaType::SdpFragment.is_named_by(Some("application/trickle-ice-sdpfrag")));
        for other in
            [None, Some(""), Some("text/plain"), Some("application/sdp2"), Some("application/trickle-ice-sdpfrag")]
        {
            assert!(!MediaType::Sdp.is_named_by(other), "{other:?}");
        }
    }
}
