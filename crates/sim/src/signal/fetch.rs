//! A page of a server, such as its metrics.

use hyper::Method;

use super::http::request;
use super::{Bearer, SignalError, Site, Trust};

/// Fetches what is at this URL, as whoever the token says.
///
/// # Errors
/// If the server cannot be reached, or answers with anything but success.
pub async fn fetch(site: &Site, trust: Trust, bearer: Option<&Bearer>) -> Result<String, SignalError> {
    let answer = request(Method::GET, site, trust, bearer, None).await?;
    if answer.status.is_success() { Ok(answer.body) } else { Err(SignalError::Refused(answer.status.to_string())) }
}
