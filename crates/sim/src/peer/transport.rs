//! ICE and DTLS of one bot, by str0m, which sees nothing else.

use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use conclave_media::dtls::{Keys, captured, capturing};
use conclave_qos::Time;
use str0m::config::{DtlsCert, Fingerprint};
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, IceCreds, Input, Output, Rtc};
use thiserror::Error;

use crate::sdp::{Local, RemoteDescription};

/// Why a bot has no connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TransportError {
    /// The system gives no key.
    #[error("no certificate could be made")]
    NoCertificate,
    /// The description names no address that can be used.
    #[error("the server names no UDP address of this address family")]
    NoCandidate,
    /// DTLS failed, or the certificate is not the one that the server named.
    #[error("the handshake failed")]
    Handshake,
}

/// What happened.
pub(super) enum Step {
    /// To be sent.
    Transmit { to: SocketAddr },
    /// Both are done; media may flow.
    Connected(Keys),
    /// The connection is gone.
    Ended,
    /// Nothing before this time.
    Idle(Time),
}

pub(super) struct Transport {
    rtc: Rtc,
    /// The moment that [`Time`] counts from.
    epoch: Instant,
    local: SocketAddr,
    keys: Option<Keys>,
    connected: bool,
}

/// All bots are one person to the server: making keys is no part of what is measured.
static CERTIFICATE: LazyLock<Option<DtlsCert>> = LazyLock::new(|| capturing().dtls_provider.generate_certificate());

impl Transport {
    pub(super) fn new(epoch: Instant, now: Time, local: SocketAddr) -> Result<Self, TransportError> {
        let certificate = CERTIFICATE.clone().ok_or(TransportError::NoCertificate)?;
        let config =
            Rtc::builder().set_crypto_provider(Arc::new(capturing())).set_dtls_cert(certificate).set_rtp_mode(true);
        let mut rtc = config.build(epoch + now.to_duration());
        if let Ok(candidate) = Candidate::host(local, Protocol::Udp) {
            rtc.add_local_candidate(candidate);
        }
        Ok(Self { rtc, epoch, local, keys: None, connected: false })
    }

    pub(super) fn local(&mut self) -> Local {
        let direct = self.rtc.direct_api();
        let IceCreds { ufrag, pass } = direct.local_ice_credentials();
        let bytes = direct.local_dtls_fingerprint().bytes.iter();
        let fingerprint = bytes.map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":");
        Local { ufrag, password: pass, fingerprint, address: self.local }
    }

    /// Begins to connect. Whoever offered controls ICE (RFC 8445 section 6.1.1).
    pub(super) fn connect(&mut self, remote: &RemoteDescription, offered: bool) -> Result<(), TransportError> {
        let mut usable = 0;
        for candidate in &remote.candidates {
            let Ok(candidate) = Candidate::from_sdp_string(candidate) else { continue };
            if candidate.proto() == Protocol::Udp && candidate.addr().is_ipv4() == self.local.is_ipv4() {
                self.rtc.add_remote_candidate(candidate);
                usable += 1;
            }
        }
        if usable == 0 {
            return Err(TransportError::NoCandidate);
        }
        let mut direct = self.rtc.direct_api();
        direct.set_ice_controlling(offered);
        direct.set_remote_ice_credentials(IceCreds { ufrag: remote.ufrag.clone(), pass: remote.password.clone() });
        let (hash_func, bytes) = remote.fingerprint.clone();
        direct.set_remote_fingerprint(Fingerprint { hash_func, bytes });
        direct.start_dtls(!remote.is_dtls_client).map_err(|_| TransportError::Handshake)
    }

    /// Takes STUN or DTLS.
    pub(super) fn handle_packet(&mut self, now: Time, source: SocketAddr, packet: &[u8]) -> Result<(), TransportError> {
        let Ok(receive) = Receive::new(Protocol::Udp, source, self.local, packet) else { return Ok(()) };
        self.input(Input::Receive(self.epoch + now.to_duration(), receive))
    }

    pub(super) fn handle_timeout(&mut self, now: Time) -> Result<(), TransportError> {
        self.input(Input::Timeout(self.epoch + now.to_duration()))
    }

    fn input(&mut self, input: Input<'_>) -> Result<(), TransportError> {
        self.rtc.handle_input(input).map_err(|_| TransportError::Handshake)
    }

    /// The next step; a packet is put into `packet`.
    pub(super) fn poll(&mut self, packet: &mut Vec<u8>) -> Result<Step, TransportError> {
        loop {
            if self.connected
                && let Some(keys) = self.keys.take()
            {
                return Ok(Step::Connected(keys));
            }
            let output = self.rtc.poll_output().map_err(|_| TransportError::Handshake)?;
            self.keys = captured().or(self.keys.take());
            match output {
                Output::Timeout(at) => {
                    return Ok(Step::Idle(Time::since_start(at.saturating_duration_since(self.epoch))));
                }
                Output::Transmit(transmit) => {
                    packet.clear();
                    packet.extend_from_slice(&transmit.contents);
                    return Ok(Step::Transmit { to: transmit.destination });
                }
                Output::Event(Event::Connected) => self.connected = true,
                Output::Event(Event::Closed) => return Ok(Step::Ended),
                Output::Event(Event::IceConnectionStateChange(state)) if state.is_disconnected() => {
                    return Ok(Step::Ended);
                }
                Output::Event(_) => {}
            }
        }
    }
}
