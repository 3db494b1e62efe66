//! Requests: who may ask, and what each changes.

use std::time::Duration;

use crate::credentials::{CHECK_PREFIX, Username};
use crate::stun::{Integrity, Message, Method, attributes, decode_xor_address};

use super::allocation::{Allocation, ChannelError, NewAllocation};
use super::auth::Key;
use super::peer::{Family, Host};
use super::reply::{Refusal, Reply};
use super::table::Slot;
use super::time::Time;
use super::{Client, Output, Server};

/// What an allocation lives without a refresh, unless it asks for more, and the most it gets (RFC 8656
/// section 7.2), in seconds.
const DEFAULT_LIFETIME_S: u32 = 600;
const LONGEST_LIFETIME_S: u32 = 3_600;
/// RFC 8656 section 9.
const PERMISSION_LIFETIME: Duration = Duration::from_secs(300);
/// RFC 8656 section 12.
const CHANNEL_LIFETIME: Duration = Duration::from_secs(600);
/// RFC 8656 section 12, table 4.
const CHANNEL_NUMBERS: std::ops::RangeInclusive<u16> = 0x4000..=0x4FFF;
/// REQUESTED-TRANSPORT: UDP, the only one of RFC 8656.
const UDP: u8 = 17;
/// The bit of EVEN-PORT that asks for the next port, too (RFC 8656 section 18.7).
const RESERVE_NEXT_PORT: u8 = 0x80;
/// Addresses that one CreatePermission may name; a client's packet holds fewer.
const MOST_PEERS: usize = 64;

/// The attributes that are understood in a request.
const UNDERSTOOD: [u16; 15] = [
    attributes::USERNAME,
    attributes::MESSAGE_INTEGRITY,
    attributes::CHANNEL_NUMBER,
    attributes::LIFETIME,
    attributes::XOR_PEER_ADDRESS,
    attributes::DATA,
    attributes::REALM,
    attributes::NONCE,
    attributes::REQUESTED_ADDRESS_FAMILY,
    attributes::EVEN_PORT,
    attributes::REQUESTED_TRANSPORT,
    // Nothing is ever fragmented on the way to a virtual peer.
    attributes::DONT_FRAGMENT,
    attributes::MESSAGE_INTEGRITY_SHA256,
    attributes::XOR_MAPPED_ADDRESS,
    attributes::RESERVATION_TOKEN,
];

/// A client that has proved to have a credential.
#[derive(Clone, Copy, Debug)]
struct Proven<'a> {
    username: &'a str,
    user: &'a str,
    key: Key,
    integrity: Integrity,
}

impl Server {
    pub(super) fn handle_request(&mut self, now: Time, client: Client, request: &Message<'_>) {
        if let Client::Stream { id, .. } = client {
            self.touch_stream(now, id);
        }
        match request.method() {
            Method::Binding => self.handle_binding(now, client, request),
            Method::Allocate | Method::Refresh | Method::CreatePermission | Method::ChannelBind => {
                self.handle_turn_request(now, client, request);
            }
            Method::Send | Method::Data | Method::Other(_) => self.stats.dropped_malformed += 1,
        }
    }

    /// A request for the client's own address (RFC 8489 section 6.3.1). One with a USERNAME is a
    /// connectivity check of ICE for somebody who is not here (any more): there is no answer to it that
    /// its sender would believe.
    fn handle_binding(&mut self, now: Time, client: Client, request: &Message<'_>) {
        let is_check = request.attribute(attributes::USERNAME).is_some();
        let is_stream = matches!(client, Client::Stream { .. });
        if is_check || !(is_stream || self.bindings.pass(now, client.remote().ip())) {
            self.stats.dropped_unanswered += 1;
            return;
        }
        let reply = Reply::to(request);
        let packet = if unknown_attributes(request).next().is_some() {
            self.stats.refused_other += 1;
            reply.unknown_attributes(unknown_attributes(request))
        } else {
            self.stats.bindings += 1;
            reply.success(|writer| {
                writer.xor_address(attributes::XOR_MAPPED_ADDRESS, client.remote());
            })
        };
        self.push(Output::ToClient { client, packet });
    }

    fn handle_turn_request(&mut self, now: Time, client: Client, request: &Message<'_>) {
        let nonce = request.attribute(attributes::NONCE);
        let is_fresh = nonce.is_some_and(|nonce| self.auth.is_fresh(now, &client, nonce));
        // Who returns our nonce, or has opened a connection, is where it says. Others may be forged,
        // and get only so many answers, and so much of our time.
        let is_there = is_fresh || matches!(client, Client::Stream { .. });
        if !is_there && !self.refusals.pass(now, client.remote().ip()) {
            self.stats.dropped_unanswered += 1;
            return;
        }
        let reply = Reply::to(request);
        let packet = match self.authenticate(now, &client, request, is_fresh) {
            Ok(proven) => {
                let reply = reply.signed(proven.integrity, proven.key);
                self.answer(now, client, request, proven, reply)
            }
            Err(refusal) => {
                self.count(refusal);
                match refusal {
                    Refusal::BadRequest => reply.refusal(refusal),
                    _ => reply.challenge(refusal, self.auth.realm(), &self.auth.nonce(now, &client)),
                }
            }
        };
        self.push(Output::ToClient { client, packet });
    }

    /// RFC 8489 section 9.2.4. Whoever has an allocation goes on with the credential that made it, even
    /// when that has expired.
    fn authenticate<'a>(
        &self,
        now: Time,
        client: &Client,
        request: &Message<'a>,
        nonce_is_fresh: bool,
    ) -> Result<Proven<'a>, Refusal> {
        let integrity = request.integrity().ok_or(Refusal::Unauthorized)?;
        let username = request.attribute(attributes::USERNAME).ok_or(Refusal::BadRequest)?;
        if request.attribute(attributes::REALM).is_none() || request.attribute(attributes::NONCE).is_none() {
            return Err(Refusal::BadRequest);
        }
        let username = std::str::from_utf8(username).map_err(|_| Refusal::Unauthorized)?;
        let existing = self.allocation_of(client).filter(|allocation| *allocation.username == *username);
        let (user, key) = match existing {
            Some(allocation) => (Username::parse(username).ok_or(Refusal::Unauthorized)?.user, allocation.key),
            None => self.auth.key(self.clock.unix(now), username).ok_or(Refusal::Unauthorized)?,
        };
        if !request.is_authentic(key.as_bytes()) {
            Err(Refusal::Unauthorized)
        } else if !nonce_is_fresh {
            Err(Refusal::StaleNonce)
        } else {
            Ok(Proven { username, user, key, integrity })
        }
    }

    fn allocation_of(&self, client: &Client) -> Option<&Allocation> {
        self.table.get(self.table.of_client(client)?)
    }

    fn answer(&mut self, now: Time, client: Client, request: &Message<'_>, who: Proven<'_>, reply: Reply) -> Vec<u8> {
        if unknown_attributes(request).next().is_some() {
            self.count(Refusal::UnknownAttribute);
            return reply.unknown_attributes(unknown_attributes(request));
        }
        let answered = match (request.method(), self.table.of_client(&client)) {
            (Method::Allocate, None) => self.allocate(now, client, request, who, reply),
            (Method::Allocate, Some(slot)) => self.allocate_again(client, slot, request, who, reply),
            (_, None) => Err(Refusal::AllocationMismatch),
            (method, Some(slot)) => self.check_owner(slot, who).and_then(|()| match method {
                Method::Refresh => self.refresh(now, slot, request, reply),
                Method::CreatePermission => self.create_permission(now, slot, request, reply),
                _ => self.bind_channel(now, slot, request, reply),
            }),
        };
        answered.unwrap_or_else(|refusal| {
            self.count(refusal);
            reply.refusal(refusal)
        })
    }

    /// RFC 8656 section 7.2.
    fn allocate(
        &mut self,
        now: Time,
        client: Client,
        request: &Message<'_>,
        who: Proven<'_>,
        reply: Reply,
    ) -> Result<Vec<u8>, Refusal> {
        let wish = AllocationWish::of(request)?;
        let limit = if who.user.starts_with(CHECK_PREFIX) {
            self.limits.allocations_per_check
        } else {
            self.limits.allocations_per_user
        };
        if self.table.of_user(who.user).len() >= limit {
            return Err(Refusal::AllocationQuotaReached);
        }
        if self.table.len() >= self.limits.allocations {
            return Err(Refusal::InsufficientCapacity);
        }
        let relay = self.table.unused_relay(wish.family, wish.even_port, &mut self.random);
        let relay = relay.ok_or(Refusal::InsufficientCapacity)?;
        let expires = now.after(seconds(wish.lifetime_s));
        let allocation = Allocation::new(NewAllocation {
            client,
            relay,
            username: who.username.into(),
            key: who.key,
            transaction: request.transaction(),
            granted_s: wish.lifetime_s,
            expires,
        });
        let packet = allocated(&allocation, wish.both_families, reply);
        let slot = self.table.insert(who.user, allocation).ok_or(Refusal::InsufficientCapacity)?;
        self.start_allocation(slot, client, expires);
        self.stats.allocations_made += 1;
        Ok(packet)
    }

    /// The repetition of a request whose answer was lost gets the same answer; any other finds the
    /// 5-tuple taken.
    fn allocate_again(
        &self,
        client: Client,
        slot: Slot,
        request: &Message<'_>,
        who: Proven<'_>,
        reply: Reply,
    ) -> Result<Vec<u8>, Refusal> {
        debug_assert_eq!(self.table.of_client(&client), Some(slot));
        self.check_owner(slot, who)?;
        let allocation = self.table.get(slot).ok_or(Refusal::AllocationMismatch)?;
        if allocation.transaction != request.transaction() {
            return Err(Refusal::AllocationMismatch);
        }
        Ok(allocated(allocation, request.attribute(attributes::ADDITIONAL_ADDRESS_FAMILY).is_some(), reply))
    }

    /// Whether the allocation was made with the credential that is used now (RFC 8656 section 5).
    fn check_owner(&self, slot: Slot, who: Proven<'_>) -> Result<(), Refusal> {
        let is_owner = self.table.get(slot).is_some_and(|allocation| *allocation.username == *who.username);
        if is_owner { Ok(()) } else { Err(Refusal::WrongCredentials) }
    }

    /// RFC 8656 section 8.2.
    fn refresh(&mut self, now: Time, slot: Slot, request: &Message<'_>, reply: Reply) -> Result<Vec<u8>, Refusal> {
        let family = self.table.get(slot).ok_or(Refusal::AllocationMismatch)?.relay.family;
        if requested_family(request)?.is_some_and(|requested| requested != family) {
            return Err(Refusal::FamilyMismatch);
        }
        let lifetime_s = match u32_attribute(request, attributes::LIFETIME)? {
            Some(0) => 0,
            requested => granted_lifetime(requested),
        };
        if lifetime_s == 0 {
            self.end_allocation(now, slot);
        } else {
            self.prolong_allocation(slot, now.after(seconds(lifetime_s)));
        }
        Ok(reply.success(|writer| {
            writer.attribute(attributes::LIFETIME, &lifetime_s.to_be_bytes());
        }))
    }

    /// RFC 8656 section 10.2: all that the request names, or none.
    fn create_permission(
        &mut self,
        now: Time,
        slot: Slot,
        request: &Message<'_>,
        reply: Reply,
    ) -> Result<Vec<u8>, Refusal> {
        let allocation = self.table.get_mut(slot).ok_or(Refusal::AllocationMismatch)?;
        let mut hosts: Vec<Host> = Vec::new();
        for (_, value) in request.attributes().filter(|(kind, _)| *kind == attributes::XOR_PEER_ADDRESS) {
            let address = decode_xor_address(value, request.transaction()).ok_or(Refusal::BadRequest)?;
            if Family::of(address) != allocation.relay.family {
                return Err(Refusal::FamilyMismatch);
            }
            let host = self.reach.host(address.ip()).ok_or(Refusal::Forbidden)?;
            if !hosts.contains(&host) {
                hosts.push(host);
            }
            if hosts.len() > MOST_PEERS {
                return Err(Refusal::InsufficientCapacity);
            }
        }
        if hosts.is_empty() {
            return Err(Refusal::BadRequest);
        }
        if !allocation.has_room_for(now, &hosts, self.limits.permissions) {
            return Err(Refusal::InsufficientCapacity);
        }
        for host in hosts {
            allocation.permit(host, now.after(PERMISSION_LIFETIME));
        }
        Ok(reply.success(|_| {}))
    }

    /// RFC 8656 section 12.2.
    fn bind_channel(&mut self, now: Time, slot: Slot, request: &Message<'_>, reply: Reply) -> Result<Vec<u8>, Refusal> {
        let allocation = self.table.get_mut(slot).ok_or(Refusal::AllocationMismatch)?;
        // The number is the upper half; the lower is reserved.
        let number = u32_attribute(request, attributes::CHANNEL_NUMBER)?.ok_or(Refusal::BadRequest)? >> 16;
        let number = u16::try_from(number).map_err(|_| Refusal::BadRequest)?;
        let address = request.attribute(attributes::XOR_PEER_ADDRESS).ok_or(Refusal::BadRequest)?;
        let address = decode_xor_address(address, request.transaction()).ok_or(Refusal::BadRequest)?;
        if !CHANNEL_NUMBERS.contains(&number) {
            return Err(Refusal::BadRequest);
        }
        if Family::of(address) != allocation.relay.family {
            return Err(Refusal::FamilyMismatch);
        }
        let peer = self.reach.peer(address).ok_or(Refusal::Forbidden)?;
        let host = self.reach.host_of(peer).ok_or(Refusal::Forbidden)?;
        allocation.can_bind(now, number, peer, self.limits.channels).map_err(|error| match error {
            ChannelError::Taken => Refusal::BadRequest,
            ChannelError::Full => Refusal::InsufficientCapacity,
        })?;
        if !allocation.has_room_for(now, &[host], self.limits.permissions) {
            return Err(Refusal::InsufficientCapacity);
        }
        allocation.bind(number, peer, now.after(CHANNEL_LIFETIME));
        allocation.permit(host, now.after(PERMISSION_LIFETIME));
        Ok(reply.success(|_| {}))
    }

    fn count(&mut self, refusal: Refusal) {
        let counter = match refusal {
            Refusal::Unauthorized => &mut self.stats.refused_unauthorized,
            Refusal::StaleNonce => &mut self.stats.refused_stale_nonce,
            Refusal::AllocationQuotaReached | Refusal::InsufficientCapacity => &mut self.stats.refused_quota,
            Refusal::Forbidden | Refusal::FamilyMismatch => &mut self.stats.refused_peer,
            _ => &mut self.stats.refused_other,
        };
        *counter += 1;
    }
}

/// What an Allocate request asks for.
#[derive(Clone, Copy, Debug)]
struct AllocationWish {
    family: Family,
    even_port: bool,
    /// It would like an IPv6 address besides the IPv4 one.
    both_families: bool,
    lifetime_s: u32,
}

impl AllocationWish {
    fn of(request: &Message<'_>) -> Result<Self, Refusal> {
        match request.attribute(attributes::REQUESTED_TRANSPORT) {
            Some([UDP, _, _, _]) => {}
            Some([_, _, _, _]) => return Err(Refusal::UnsupportedTransport),
            _ => return Err(Refusal::BadRequest),
        }
        let family = requested_family(request)?;
        let (even_port, next_port) = match request.attribute(attributes::EVEN_PORT) {
            None => (false, false),
            Some([bits]) => (true, bits & RESERVE_NEXT_PORT != 0),
            Some(_) => return Err(Refusal::BadRequest),
        };
        let has_token = request.attribute(attributes::RESERVATION_TOKEN).is_some();
        let additional = request.attribute(attributes::ADDITIONAL_ADDRESS_FAMILY);
        if has_token && (even_port || family.is_some() || additional.is_some()) {
            return Err(Refusal::BadRequest);
        }
        // Pairs of ports are of no use to anybody since RTP and RTCP share one: none is reserved.
        if has_token || next_port {
            return Err(Refusal::InsufficientCapacity);
        }
        let both_families = match (additional, family) {
            (None, _) => false,
            (Some([crate::stun::FAMILY_V6, _, _, _]), None) => true,
            _ => return Err(Refusal::BadRequest),
        };
        let lifetime_s = granted_lifetime(u32_attribute(request, attributes::LIFETIME)?);
        Ok(Self { family: family.unwrap_or(Family::V4), even_port, both_families, lifetime_s })
    }
}

/// The answer to the request that has made an allocation.
fn allocated(allocation: &Allocation, both_families: bool, reply: Reply) -> Vec<u8> {
    reply.success(|writer| {
        writer
            .xor_address(attributes::XOR_RELAYED_ADDRESS, allocation.relay.address())
            .attribute(attributes::LIFETIME, &allocation.granted_s.to_be_bytes())
            .xor_address(attributes::XOR_MAPPED_ADDRESS, allocation.client.remote());
        if both_families {
            // One allocation has one address: the second family is refused by itself.
            let [high, low] = [4, (Refusal::FamilyNotSupported.code() % 100) as u8];
            writer.attribute(attributes::ADDRESS_ERROR_CODE, &[crate::stun::FAMILY_V6, 0, high, low]);
        }
    })
}

fn granted_lifetime(requested_s: Option<u32>) -> u32 {
    requested_s.map_or(DEFAULT_LIFETIME_S, |requested| requested.clamp(DEFAULT_LIFETIME_S, LONGEST_LIFETIME_S))
}

fn requested_family(request: &Message<'_>) -> Result<Option<Family>, Refusal> {
    match request.attribute(attributes::REQUESTED_ADDRESS_FAMILY) {
        None => Ok(None),
        Some([crate::stun::FAMILY_V4, _, _, _]) => Ok(Some(Family::V4)),
        Some([crate::stun::FAMILY_V6, _, _, _]) => Ok(Some(Family::V6)),
        Some([_, _, _, _]) => Err(Refusal::FamilyNotSupported),
        Some(_) => Err(Refusal::BadRequest),
    }
}

fn u32_attribute(request: &Message<'_>, kind: u16) -> Result<Option<u32>, Refusal> {
    match request.attribute(kind) {
        None => Ok(None),
        Some(value) => value.try_into().map(|bytes| Some(u32::from_be_bytes(bytes))).map_err(|_| Refusal::BadRequest),
    }
}

/// What the request demands to be understood and is not.
fn unknown_attributes(request: &Message<'_>) -> impl Iterator<Item = u16> {
    request
        .attributes()
        .map(|(kind, _)| kind)
        .filter(|kind| attributes::is_required(*kind) && !UNDERSTOOD.contains(kind))
}

fn seconds(seconds: u32) -> Duration {
    Duration::from_secs(u64::from(seconds))
}
