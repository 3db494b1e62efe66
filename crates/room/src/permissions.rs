//! Who may do what: the one place that decides it.

use conclave_proto::{ClientMessage, MediaState, Role};

use crate::input::Authority;

/// What one session may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grants {
    pub(crate) role: Role,
    /// Sources may be on.
    pub(crate) publish: bool,
    /// Chat messages may be sent.
    pub(crate) chat: bool,
    /// May become host by being the first. A token for a participant is just that.
    pub(crate) may_found: bool,
}

impl Grants {
    /// `is_host`: the room's host token was shown.
    pub(crate) fn new(authority: Authority, is_host: bool) -> Self {
        let role = if is_host { Role::Host } else { Role::Participant };
        match authority {
            Authority::None => Self { role, publish: true, chat: true, may_found: true },
            Authority::Admin => Self { role: Role::Host, publish: true, chat: true, may_found: true },
            Authority::Token { role: granted, may_publish, may_chat } => Self {
                role: if granted == Role::Host { Role::Host } else { role },
                publish: may_publish,
                chat: may_chat,
                may_found: granted == Role::Host,
            },
        }
    }

    /// The sources that may be on, of those asked for.
    pub(crate) fn media(self, asked: MediaState) -> MediaState {
        if self.publish { asked } else { MediaState::default() }
    }
}

/// Whether a session with these grants may send this message. It says nothing about whether the
/// message makes sense now: a second `join` is refused for its order, not for want of a right.
pub(crate) fn allowed(grants: Grants, message: &ClientMessage) -> bool {
    match message {
        ClientMessage::Join(_)
        | ClientMessage::Resume(_)
        | ClientMessage::Leave {}
        | ClientMessage::Ping {}
        | ClientMessage::GetIceServers {}
        | ClientMessage::GetParticipants { .. }
        | ClientMessage::SetName { .. }
        | ClientMessage::SetHand { .. }
        | ClientMessage::React { .. }
        | ClientMessage::ReportNetwork { .. }
        | ClientMessage::Signal { .. }
        // A leg is needed to see and hear; what is sent on it is forwarded only if its source is on.
        | ClientMessage::OfferSfu(_)
        | ClientMessage::CloseSfu { .. }
        | ClientMessage::SetView { .. }
        | ClientMessage::ReportPath(_) => true,
        // Turning off needs no right.
        ClientMessage::SetMedia { media } => grants.media(*media) == *media,
        ClientMessage::Chat { .. } => grants.chat,
        ClientMessage::SetOptions { .. } | ClientMessage::EndRoom {} => grants.role == Role::Host,
    }
}
