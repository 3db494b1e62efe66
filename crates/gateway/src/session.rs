//! One WHIP or WHEP session after its offer was answered: what a `PATCH` of it does.

use crate::entity_tag::{EntityTag, IfMatch};
use crate::fragment::{Fragment, IceCredentials};

/// A session's ICE sessions, one after the other (RFC 9725 section 4.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    tag: EntityTag,
    client: IceCredentials,
    restarting: bool,
}

/// What a `PATCH` asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Patch {
    /// Candidates of the ICE session that there is: 204, without a tag. The server is ICE-lite (RFC 8445
    /// section 2.5), never sends to a candidate before it was heard from it, and so ignores them.
    Trickle,
    /// A new ICE session with these credentials of the client's. Ends with [`Session::restarted`] or
    /// [`Session::restart_failed`].
    Restart(IceCredentials),
}

/// Why a `PATCH` is refused. The session goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatchRefused {
    /// 428.
    #[error("name the ICE session by its entity tag in If-Match, or ask for another with If-Match: *")]
    NoPrecondition,
    /// 412.
    #[error("the entity tag is not that of the session's current ICE session")]
    Stale,
    /// 422.
    #[error("an ICE restart (If-Match: *) brings new ICE credentials")]
    NothingNew,
    /// 422.
    #[error("the fragment belongs to another ICE session; a restart is asked for with If-Match: *")]
    OtherIceSession,
    /// 409.
    #[error("an earlier ICE restart has not been answered yet")]
    Restarting,
}

impl Session {
    /// A session whose offer, with these credentials, was answered under this tag.
    pub fn new(tag: EntityTag, client: IceCredentials) -> Self {
        Self { tag, client, restarting: false }
    }

    /// The tag of the current ICE session.
    pub fn tag(&self) -> EntityTag {
        self.tag
    }

    /// Judges a `PATCH`.
    ///
    /// # Errors
    /// [`PatchRefused`], the client's fault.
    pub fn handle_patch(&mut self, if_match: IfMatch<'_>, fragment: &Fragment) -> Result<Patch, PatchRefused> {
        match if_match {
            IfMatch::Absent => Err(PatchRefused::NoPrecondition),
            IfMatch::Any => {
                let new = fragment.credentials.as_ref().filter(|new| new.ufrag() != self.client.ufrag());
                let new = new.ok_or(PatchRefused::NothingNew)?;
                if std::mem::replace(&mut self.restarting, true) {
                    return Err(PatchRefused::Restarting);
                }
                Ok(Patch::Restart(new.clone()))
            }
            tags if !tags.names(self.tag) => Err(PatchRefused::Stale),
            _ if fragment.ufrag.as_deref().is_some_and(|ufrag| ufrag != self.client.ufrag()) => {
                Err(PatchRefused::OtherIceSession)
            }
            _ => Ok(Patch::Trickle),
        }
    }

    /// The restart was answered; from now on the session is this one.
    pub fn restarted(&mut self, tag: EntityTag, client: IceCredentials) {
        *self = Self::new(tag, client);
    }

    /// The restart was refused; the session stays the one it was.
    pub fn restart_failed(&mut self) {
        self.restarting = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials(ufrag: &str) -> IceCredentials {
        IceCredentials::new(ufrag, "0123456789012345678901").expect("valid")
    }

    fn session() -> Session {
        Session::new(EntityTag::new(1), credentials("first"))
    }

    fn fragment(ufrag: Option<&str>) -> Fragment {
        Fragment {
            ufrag: ufrag.map(str::to_owned),
            credentials: ufrag.map(credentials),
            candidates: 1,
            end_of_candidates: false,
        }
    }

    #[test]
    fn candidates_are_taken_for_the_current_ice_session_only() {
        let mut session = session();
        let current = EntityTag::new(1).to_string();
        let tags = IfMatch::Tags(&current);
        assert_eq!(session.handle_patch(tags, &fragment(None)), Ok(Patch::Trickle));
        assert_eq!(session.handle_patch(tags, &fragment(Some("first"))), Ok(Patch::Trickle));
        assert_eq!(session.handle_patch(tags, &fragment(Some("other"))), Err(PatchRefused::OtherIceSession));
        assert_eq!(session.handle_patch(IfMatch::Absent, &fragment(None)), Err(PatchRefused::NoPrecondition));
        let stale = EntityTag::new(2).to_string();
        assert_eq!(session.handle_patch(IfMatch::Tags(&stale), &fragment(None)), Err(PatchRefused::Stale));
    }

    #[test]
    fn a_restart_replaces_the_tag_and_the_credentials() {
        let mut session = session();
        let restart = session.handle_patch(IfMatch::Any, &fragment(Some("second")));
        assert_eq!(restart, Ok(Patch::Restart(credentials("second"))));
        session.restarted(EntityTag::new(2), credentials("second"));
        let old = EntityTag::new(1).to_string();
        assert_eq!(session.handle_patch(IfMatch::Tags(&old), &fragment(None)), Err(PatchRefused::Stale));
        let new = EntityTag::new(2).to_string();
        assert_eq!(session.handle_patch(IfMatch::Tags(&new), &fragment(Some("second"))), Ok(Patch::Trickle));
    }

    #[test]
    fn a_restart_without_new_credentials_is_none() {
        assert_eq!(session().handle_patch(IfMatch::Any, &fragment(None)), Err(PatchRefused::NothingNew));
        assert_eq!(session().handle_patch(IfMatch::Any, &fragment(Some("first"))), Err(PatchRefused::NothingNew));
    }

    #[test]
    fn a_failed_restart_leaves_the_session_as_it_was() {
        let mut session = session();
        assert!(session.handle_patch(IfMatch::Any, &fragment(Some("second"))).is_ok());
        let again = session.handle_patch(IfMatch::Any, &fragment(Some("third")));
        assert_eq!(again, Err(PatchRefused::Restarting), "one at a time");
        session.restart_failed();
        assert_eq!(session, self::session());
        assert!(session.handle_patch(IfMatch::Any, &fragment(Some("third"))).is_ok());
    }
}
