//! WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep): one request to come, one to go.

use std::net::IpAddr;

use hyper::header::LOCATION;
use hyper::{Method, StatusCode};

use super::http::{Bearer, request};
use super::site::{Site, Trust};
use super::{Joined, SignalError, prepare};
use crate::peer::BotConfig;
use crate::swarm::Swarm;

/// An endpoint of either kind; which one, the bot's sections tell.
#[derive(Clone, Debug)]
pub struct WhipSite {
    /// The endpoint.
    pub site: Site,
    /// Which certificates are taken.
    pub trust: Trust,
    /// Sent with every request.
    pub bearer: Option<Bearer>,
    /// Where bots' sockets are bound.
    pub address: IpAddr,
}

/// Redirects that are followed.
const REDIRECTS: usize = 3;

impl WhipSite {
    /// Offers a bot's sections to the endpoint.
    ///
    /// # Errors
    /// If the server refuses, or cannot be reached.
    pub async fn join(&self, swarm: &Swarm, config: BotConfig) -> Result<(Joined, WhipSession), SignalError> {
        let clicked = swarm.now();
        let (mut bot, socket) = prepare(swarm, self.address, config)?;
        let offer = bot.offer();
        let mut site = self.site.clone();
        for _ in 0..=REDIRECTS {
            let body = Some(("application/sdp", offer.clone()));
            let answer = request(Method::POST, &site, self.trust, self.bearer.as_ref(), body).await?;
            let location = answer.headers.get(LOCATION).and_then(|location| location.to_str().ok());
            let location = location.and_then(|location| site.join(location).ok());
            match (answer.status, location) {
                (StatusCode::CREATED, location) => {
                    let answered = swarm.now();
                    bot.accept_answer(&answer.body)?;
                    let joined = Joined::new(swarm.add(bot, socket), clicked, answered, None);
                    let session = WhipSession { site: location, trust: self.trust, bearer: self.bearer.clone() };
                    return Ok((joined, session));
                }
                (StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT, Some(next)) => site = next,
                (status, _) => return Err(SignalError::Refused(status.to_string())),
            }
        }
        Err(SignalError::Refused("too many redirects".to_owned()))
    }
}

/// A session that a server keeps until it is ended.
pub struct WhipSession {
    site: Option<Site>,
    trust: Trust,
    bearer: Option<Bearer>,
}

impl WhipSession {
    /// Ends it (RFC 9725 section 4.2).
    ///
    /// # Errors
    /// If the server refuses, cannot be reached, or has not said where the session is.
    pub async fn end(self) -> Result<(), SignalError> {
        let site = self.site.ok_or_else(|| SignalError::Unknown("no Location".to_owned()))?;
        let answer = request(Method::DELETE, &site, self.trust, self.bearer.as_ref(), None).await?;
        if answer.status.is_success() { Ok(()) } else { Err(SignalError::Refused(answer.status.to_string())) }
    }
}
