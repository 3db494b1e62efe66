//! WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep) without HTTP and media: what a session is, what a
//! request may ask of it, and the formats that both protocols use.
//!
//! A [`Session`] decides what a `PATCH` does; [`Fragment`] is what it carries (RFC 8840); [`EntityTag`]
//! and [`IfMatch`] are its precondition (RFC 9110 section 13.1.1); [`description`] describes a session
//! anew for an ICE restart and reads the answer; [`ice_links`] tells clients about STUN and TURN;
//! [`Rates`] bounds how often one client may ask for a session.

pub mod description;
mod entity_tag;
mod fragment;
mod link;
mod media_type;
mod rates;
mod session;

pub use entity_tag::{EntityTag, IfMatch};
pub use fragment::{Fragment, FragmentError, IceCredentials};
pub use link::ice_links;
pub use media_type::MediaType;
pub use rates::Rates;
pub use session::{Patch, PatchRefused, Session};
