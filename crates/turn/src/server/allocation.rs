use crate::stun::TransactionId;

use super::Client;
use super::auth::Key;
use super::peer::{Host, Peer, Relay};
use super::rate::Meter;
use super::time::Time;

/// An allocation (RFC 8656 section 3.2). What in it has expired is overwritten or taken out when it is
/// next looked at: nothing but the allocation itself needs a timer.
#[derive(Debug)]
pub(super) struct Allocation {
    pub(super) client: Client,
    pub(super) relay: Relay,
    /// The username that made it, and the key that this and the password give: requests must go on
    /// with them (RFC 8656 section 5).
    pub(super) username: Box<str>,
    pub(super) key: Key,
    /// Of the request that made it, so that its repetition gets the same answer.
    pub(super) transaction: TransactionId,
    /// What that answer said, in seconds.
    pub(super) granted_s: u32,
    pub(super) expires: Time,
    pub(super) from_client: Meter,
    pub(super) to_client: Meter,
    permissions: Vec<Permission>,
    channels: Vec<Channel>,
}

#[derive(Clone, Copy, Debug)]
struct Permission {
    host: Host,
    until: Time,
}

#[derive(Clone, Copy, Debug)]
struct Channel {
    number: u16,
    peer: Peer,
    until: Time,
}

/// Why a channel cannot be bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ChannelError {
    /// The number or the peer is bound to another.
    Taken,
    /// There are too many.
    Full,
}

/// What makes an [`Allocation`].
#[derive(Debug)]
pub(super) struct NewAllocation {
    pub(super) client: Client,
    pub(super) relay: Relay,
    pub(super) username: Box<str>,
    pub(super) key: Key,
    pub(super) transaction: TransactionId,
    pub(super) granted_s: u32,
    pub(super) expires: Time,
}

impl Allocation {
    pub(super) fn new(new: NewAllocation) -> Self {
        let NewAllocation { client, relay, username, key, transaction, granted_s, expires } = new;
        Self {
            client,
            relay,
            username,
            key,
            transaction,
            granted_s,
            expires,
            from_client: Meter::default(),
            to_client: Meter::default(),
            permissions: Vec::new(),
            channels: Vec::new(),
        }
    }

    /// Whether packets may pass between this client and `host`.
    pub(super) fn permits(&self, now: Time, host: Host) -> bool {
        self.permissions.iter().any(|permission| permission.host == host && permission.until > now)
    }

    /// Whether `hosts` could all be permitted without exceeding `limit`.
    pub(super) fn has_room_for(&mut self, now: Time, hosts: &[Host], limit: usize) -> bool {
        self.permissions.retain(|permission| permission.until > now);
        let is_new = |(index, host): &(usize, &Host)| {
            !hosts[..*index].contains(host) && self.permissions.iter().all(|permission| permission.host != **host)
        };
        self.permissions.len() + hosts.iter().enumerate().filter(is_new).count() <= limit
    }

    /// Permits `host`, or prolongs its permission. Ask [`Self::has_room_for`] before.
    pub(super) fn permit(&mut self, host: Host, until: Time) {
        match self.permissions.iter_mut().find(|permission| permission.host == host) {
            Some(permission) => permission.until = until,
            None => self.permissions.push(Permission { host, until }),
        }
    }

    /// The peer of a channel.
    pub(super) fn peer_of_channel(&self, now: Time, number: u16) -> Option<Peer> {
        self.channels.iter().find(|channel| channel.number == number && channel.until > now).map(|channel| channel.peer)
    }

    /// The channel of a peer.
    pub(super) fn channel_of_peer(&self, now: Time, peer: Peer) -> Option<u16> {
        self.channels.iter().find(|channel| channel.peer == peer && channel.until > now).map(|channel| channel.number)
    }

    /// Whether [`Self::bind`] will succeed (RFC 8656 section 12.2).
    pub(super) fn can_bind(&mut self, now: Time, number: u16, peer: Peer, limit: usize) -> Result<(), ChannelError> {
        self.channels.retain(|channel| channel.until > now);
        for channel in &self.channels {
            match (channel.number == number, channel.peer == peer) {
                (true, true) => return Ok(()),
                (false, false) => {}
                _ => return Err(ChannelError::Taken),
            }
        }
        if self.channels.len() < limit { Ok(()) } else { Err(ChannelError::Full) }
    }

    /// Binds a channel, or prolongs it. Ask [`Self::can_bind`] before.
    pub(super) fn bind(&mut self, number: u16, peer: Peer, until: Time) {
        match self.channels.iter_mut().find(|channel| channel.number == number) {
            Some(channel) => channel.until = until,
            None => self.channels.push(Channel { number, peer, until }),
        }
    }
}
