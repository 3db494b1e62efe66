//! A batch of datagrams with all that the kernel tells of them (recvmmsg).
//!
//! quinn-udp, which sets the socket's options, leaves 96 bytes for that. How a datagram was marked (ECN) then does not fit
//! behind when and where it arrived if the kernel has joined it with others, or if it is IPv4 on a socket of both families.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

use conclave_qos::Ecn;

use crate::datagram::canonical;

/// Datagrams, or joined ones, that are read at once.
pub(super) const BATCH: usize = 32;

/// As long as `sockaddr_in6`.
const NAME: usize = 28;
/// Of 24 to 40 bytes each: a time stamp, a length, two destinations (both families), a mark.
const CONTROL: usize = 256;
/// What comes before the contents of a control message: its length, its level and its type (cmsg(3)).
const HEADER: usize = size_of::<libc::cmsghdr>();
const ALIGNMENT: usize = size_of::<usize>();

#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Control([u8; CONTROL]);

/// Where the kernel writes.
pub(super) struct Batch {
    names: [[u8; NAME]; BATCH],
    controls: [Control; BATCH],
    /// How much of the contents and of the control messages there is.
    lengths: [(usize, usize); BATCH],
}

/// What is known of datagrams that the kernel has joined: they came by the same way, marked alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Joined {
    pub(super) source: SocketAddr,
    /// Which of this machine's addresses they came to.
    pub(super) local: Option<IpAddr>,
    /// When, by the wall clock.
    pub(super) stamp: Option<Duration>,
    pub(super) ecn: Ecn,
    /// Bytes of all.
    pub(super) length: usize,
    /// Bytes of each but the last; none: there is but one.
    pub(super) stride: Option<usize>,
}

impl Batch {
    pub(super) fn new() -> Box<Self> {
        Box::new(Self { names: [[0; NAME]; BATCH], controls: [Control([0; CONTROL]); BATCH], lengths: [(0, 0); BATCH] })
    }

    /// Reads what there is into buffers of this size. Returns how many were filled.
    pub(super) fn receive(&mut self, socket: BorrowedFd<'_>, buffers: &mut [u8], size: usize) -> io::Result<usize> {
        let mut vectors: [libc::iovec; BATCH] = [libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 }; BATCH];
        for (vector, buffer) in vectors.iter_mut().zip(buffers.chunks_exact_mut(size)) {
            *vector = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
        }
        self.receive_into(socket, &mut vectors)
    }

    #[expect(unsafe_code, reason = "recvmmsg has no safe form")]
    fn receive_into(&mut self, socket: BorrowedFd<'_>, vectors: &mut [libc::iovec; BATCH]) -> io::Result<usize> {
        // SAFETY: of these structures of numbers and pointers, zero is a value: nothing, nowhere.
        let mut headers: [libc::mmsghdr; BATCH] = unsafe { std::mem::zeroed() };
        let places = self.names.iter_mut().zip(&mut self.controls).zip(vectors);
        for (header, ((name, control), vector)) in headers.iter_mut().zip(places) {
            let header = &mut header.msg_hdr;
            header.msg_name = name.as_mut_ptr().cast();
            header.msg_namelen = NAME as libc::socklen_t;
            header.msg_iov = vector;
            header.msg_iovlen = 1;
            header.msg_control = control.0.as_mut_ptr().cast();
            header.msg_controllen = CONTROL;
        }
        let count = loop {
            // SAFETY: each header names memory of the length that stands beside it, which is borrowed for longer than
            // the call and by nobody else.
            let count = unsafe {
                libc::recvmmsg(socket.as_raw_fd(), headers.as_mut_ptr(), BATCH as libc::c_uint, 0, std::ptr::null_mut())
            };
            match usize::try_from(count) {
                Ok(count) => break count,
                Err(_) => {
                    let error = io::Error::last_os_error();
                    if error.kind() != io::ErrorKind::Interrupted {
                        return Err(error);
                    }
                }
            }
        };
        for (lengths, header) in self.lengths.iter_mut().zip(&headers) {
            *lengths = (header.msg_len as usize, header.msg_hdr.msg_controllen);
        }
        Ok(count)
    }

    /// What is known of the contents of this buffer; `None` if they came from nowhere that has an address.
    pub(super) fn get(&self, index: usize) -> Option<Joined> {
        let (length, told) = *self.lengths.get(index)?;
        let source = canonical(read_name(self.names.get(index)?)?);
        let mut joined = Joined { source, local: None, stamp: None, ecn: Ecn::NotEct, length, stride: None };
        let control = self.controls.get(index)?;
        read_control(control.0.get(..told).unwrap_or_default(), &mut joined);
        Some(joined)
    }
}

fn read_name(name: &[u8; NAME]) -> Option<SocketAddr> {
    let port = u16::from_be_bytes([name[2], name[3]]);
    match i32::from(u16::from_ne_bytes([name[0], name[1]])) {
        libc::AF_INET => Some(SocketAddr::new(Ipv4Addr::from(*name[4..].first_chunk::<4>()?).into(), port)),
        libc::AF_INET6 => Some(SocketAddr::new(Ipv6Addr::from(*name[8..].first_chunk::<16>()?).into(), port)),
        _ => None,
    }
}

/// Reads one control message after the other; what is not known, or cut off, says nothing.
fn read_control(mut bytes: &[u8], joined: &mut Joined) {
    while let Some((level, kind, data, rest)) = next_control(bytes) {
        let _ = read_message(level, kind, data, joined);
        bytes = rest;
    }
}

fn next_control(bytes: &[u8]) -> Option<(i32, i32, &[u8], &[u8])> {
    let header = bytes.get(..HEADER)?;
    let length = usize::from_ne_bytes(*header.first_chunk()?);
    let level = i32::from_ne_bytes(*header.get(ALIGNMENT..)?.first_chunk()?);
    let kind = i32::from_ne_bytes(*header.get(ALIGNMENT + 4..)?.first_chunk()?);
    let data = bytes.get(HEADER..length)?;
    Some((level, kind, data, bytes.get(length.next_multiple_of(ALIGNMENT)..).unwrap_or_default()))
}

fn read_message(level: i32, kind: i32, data: &[u8], joined: &mut Joined) -> Option<()> {
    match (level, kind) {
        (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) => {
            let seconds = u64::try_from(i64::from_ne_bytes(*data.first_chunk()?)).ok()?;
            let nanoseconds = u32::try_from(i64::from_ne_bytes(*data.get(8..)?.first_chunk()?)).ok()?;
            joined.stamp = Some(Duration::from_secs(seconds).saturating_add(Duration::from_nanos(nanoseconds.into())));
        }
        (libc::SOL_UDP, libc::UDP_GRO) => {
            joined.stride = usize::try_from(i32::from_ne_bytes(*data.first_chunk()?)).ok();
        }
        (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
            let address: [u8; 4] = *data.get(8..)?.first_chunk()?;
            joined.local = Some(Ipv4Addr::from(address).into());
        }
        (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
            let address: [u8; 16] = *data.first_chunk()?;
            joined.local = Some(IpAddr::from(address).to_canonical());
        }
        (libc::IPPROTO_IP, libc::IP_TOS) => joined.ecn = read_mark(*data.first()?),
        (libc::IPPROTO_IPV6, libc::IPV6_TCLASS) => {
            joined.ecn = read_mark((i32::from_ne_bytes(*data.first_chunk()?) & 0xff) as u8);
        }
        _ => {}
    }
    Some(())
}

/// The two bits of the IP header (RFC 3168, section 5).
fn read_mark(field: u8) -> Ecn {
    match field & 3 {
        0 => Ecn::NotEct,
        1 => Ecn::Ect1,
        2 => Ecn::Ect0,
        _ => Ecn::Ce,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_messages_that_are_cut_off_or_make_no_sense_say_nothing() {
        let source = ([127, 0, 0, 1], 1).into();
        let nothing = Joined { source, local: None, stamp: None, ecn: Ecn::NotEct, length: 0, stride: None };
        let mut message = Vec::new();
        message.extend((HEADER + 1).to_ne_bytes());
        message.extend(libc::IPPROTO_IP.to_ne_bytes());
        message.extend(libc::IP_TOS.to_ne_bytes());
        message.push(0xff);
        for end in 0..message.len() {
            let mut joined = nothing;
            read_control(&message[..end], &mut joined);
            assert_eq!(joined, nothing);
        }
        let mut joined = nothing;
        read_control(&message, &mut joined);
        assert_eq!(joined.ecn, Ecn::Ce);
        for length in [0, 1, HEADER - 1, usize::MAX] {
            message.splice(..ALIGNMENT, length.to_ne_bytes());
            let mut joined = nothing;
            read_control(&message, &mut joined);
            assert_eq!(joined, nothing);
        }
    }

    #[test]
    fn addresses_are_read_whatever_the_family_and_refused_where_there_is_none() {
        let mut name = [0; NAME];
        assert_eq!(read_name(&name), None);
        name[..2].copy_from_slice(&(libc::AF_INET as u16).to_ne_bytes());
        name[2..8].copy_from_slice(&[1, 2, 192, 0, 2, 9]);
        assert_eq!(read_name(&name), Some("192.0.2.9:258".parse().expect("valid")));
        name[..2].copy_from_slice(&(libc::AF_INET6 as u16).to_ne_bytes());
        name[23] = 1;
        name[4..8].fill(0);
        assert_eq!(read_name(&name), Some("[::1]:258".parse().expect("valid")));
    }
}
