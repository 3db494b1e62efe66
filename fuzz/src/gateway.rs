//! What WHIP and WHEP clients send.

use conclave_gateway::{EntityTag, Fragment, IfMatch, Session, description};

/// A fragment, whose first line is the `If-Match` that it comes with: it is read or refused, and a restart
/// that it asks for gives a description with its credentials, and an answer to that a fragment again.
///
/// # Panics
/// If it does not.
pub fn sdp_fragment(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (if_match, text) = text.split_once('\n').unwrap_or(("*", text));
    let Ok(fragment) = Fragment::parse(text) else { return };
    let Some(credentials) = fragment.credentials.clone() else { return };
    let mut session = Session::new(EntityTag::new(1), credentials.clone());
    let _ = session.handle_patch(IfMatch::parse(Some(if_match)), &fragment);
    let described = description::with_credentials(&format!("v=0\r\nm=audio 9 X 0\r\n{text}"), &credentials);
    assert_eq!(description::credentials(&described).as_ref(), Some(&credentials));
    let answered = description::ice_fragment(&described);
    assert!(answered.len() <= described.len());
    assert!(answered.split("\r\n").all(|line| !line.contains('\n')), "a line that was let in");
}
