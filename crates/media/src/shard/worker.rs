//! A shard's thread: its socket and its clock.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::sync::watch;

use super::{Inbox, Shard, Waker};
use crate::counters::Dropped;
use crate::mailbox::{Command, Mailbox};
use crate::order::group;
use crate::shared::Shared;
use crate::socket::MediaSocket;
use crate::stream::Hub;

/// Commands carried out in one turn, so that packets never wait long for them.
const COMMANDS_PER_TURN: usize = 64;
/// Messages of other shards taken in one turn.
const MESSAGES_PER_TURN: usize = 1_024;
/// Batches received in one turn, so that what they cause goes out soon.
const BATCHES_PER_TURN: usize = 8;
/// Datagrams without a leg's run that may wait for the socket.
const MOST_WAITING: usize = 4_096;
/// Bytes of sealed packets that may wait for the socket.
const MOST_BYTES: usize = 16 << 20;
/// Events that the control plane has no room for are offered again this often.
const EVENTS_AGAIN: Duration = Duration::from_millis(10);

/// What a shard's thread has, besides the shard.
pub(crate) struct Desk {
    pub(crate) socket: MediaSocket,
    pub(crate) mailbox: Mailbox,
    pub(crate) inbox: Inbox,
    pub(crate) waker: Waker,
    /// Of the front only.
    pub(crate) hub: Option<Arc<Hub>>,
    pub(crate) ended: watch::Sender<usize>,
}

/// Runs a shard until it is told to stop.
pub(crate) fn run(mut shard: Shard, mut desk: Desk) {
    // Whatever ends this function, those who wait for answers learn of it.
    let _stop = StopOnDrop { mailbox: desk.mailbox.clone(), hub: desk.hub.clone(), ended: desk.ended.clone() };
    loop {
        let is_readable = wait(&mut shard, &mut desk);
        let since = Instant::now();
        if !turn(&mut shard, &mut desk, since, is_readable) {
            return;
        }
        let until = Instant::now();
        shard.shared.counters.worked(until.saturating_duration_since(since), shard.shared.time(until));
    }
}

/// One turn. Returns whether there shall be another.
fn turn(shard: &mut Shard, desk: &mut Desk, now: Instant, is_readable: bool) -> bool {
    // What waits since the last turn is in order already.
    let waited = shard.shared.outgoing.len();
    shard.shared.started = now;
    let mut running = true;
    for _ in 0..COMMANDS_PER_TURN {
        let Some(command) = desk.mailbox.pop() else { break };
        running &= !matches!(command, Command::Shutdown);
        shard.command(now, command);
    }
    for _ in 0..MESSAGES_PER_TURN {
        let Some(message) = desk.inbox.pop() else { break };
        shard.message(now, message);
    }
    let batches = if is_readable { BATCHES_PER_TURN } else { 0 };
    for _ in 0..batches {
        // Behind a batch that is not full, the socket is most likely empty. Asking it costs as much as
        // a packet; the next turn asks, when what this one sends has left and more may have come.
        match desk.socket.receive(|datagram| shard.receive(now, datagram)) {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => {
                shard.shared.counters.socket_errors.increment(1);
                tracing::debug!(kind = ?error.kind(), "the socket failed to receive");
                break;
            }
        }
    }
    shard.receive_streams(now);
    shard.expire(now);
    shard.settle(now, &mut |shared| send_sealed(shared, &mut desk.socket));
    group(&mut shard.shared.outgoing[waited..]);
    send(shard, &mut desk.socket);
    running
}

/// Waits until there is something to do, and tells whether there is something to receive.
fn wait(shard: &mut Shard, desk: &mut Desk) -> bool {
    let shared = &shard.shared;
    let blocked = !shared.outgoing.is_empty() || !shared.runs.is_empty();
    let untold = shared.outbox.has_backlog();
    desk.waker.falls_asleep();
    let has_work =
        !desk.mailbox.is_empty() || !desk.inbox.is_empty() || desk.hub.as_ref().is_some_and(|hub| hub.has_ready());
    let timeout = if has_work {
        Some(Duration::ZERO)
    } else {
        let due = shard.next_deadline().map(|at| at.saturating_duration_since(Instant::now()));
        [due, untold.then_some(EVENTS_AGAIN)].into_iter().flatten().min()
    };
    // Interrupted is as good as woken: the loop looks at everything.
    let ended = sleep(desk.socket.as_fd(), blocked, desk.waker.event(), timeout);
    let (is_readable, is_woken) = ended.unwrap_or((true, true));
    desk.waker.awakes(is_woken);
    is_readable
}

/// Sleeps; tells whether there is something to receive, and whether the event has come.
fn sleep(
    socket: BorrowedFd<'_>,
    blocked: bool,
    event: BorrowedFd<'_>,
    timeout: Option<Duration>,
) -> io::Result<(bool, bool)> {
    let interest = if blocked { PollFlags::IN | PollFlags::OUT } else { PollFlags::IN };
    let mut fds = [PollFd::from_borrowed_fd(socket, interest), PollFd::from_borrowed_fd(event, PollFlags::IN)];
    let timeout = timeout.map(|timeout| Timespec {
        // Nothing is due in centuries.
        tv_sec: timeout.as_secs().min(3_600) as i64,
        tv_nsec: timeout.subsec_nanos().into(),
    });
    poll(&mut fds, timeout.as_ref())?;
    // An error of the socket is for whoever receives to find.
    let nothing = PollFlags::empty();
    let is_readable = fds[0].revents() & (PollFlags::IN | PollFlags::ERR | PollFlags::HUP) != nothing;
    Ok((is_readable, fds[1].revents().contains(PollFlags::IN)))
}

fn send(shard: &mut Shard, socket: &mut MediaSocket) {
    let shared = &mut shard.shared;
    let sent = socket.send(&shared.outgoing);
    shared.outgoing.drain(..sent);
    let excess = shared.outgoing.len().saturating_sub(MOST_WAITING);
    if excess > 0 {
        // The oldest are the least worth sending.
        shared.outgoing.drain(..excess);
        shared.counters.dropped(Dropped::Socket, excess as u64);
    }
    send_sealed(shared, socket);
    if shared.arena.used() > MOST_BYTES {
        let lost: usize = shared.runs.iter().map(|run| run.packets.len()).sum();
        shared.counters.dropped(Dropped::Socket, lost as u64);
        shared.runs.clear();
    }
    if shared.runs.is_empty() {
        shared.arena.clear();
    }
}

/// Sends what legs have sealed, as far as the socket takes it.
fn send_sealed(shared: &mut Shared, socket: &mut MediaSocket) {
    let sent = socket.send_runs(&mut shared.runs, &shared.arena);
    shared.runs.drain(..sent);
    if shared.runs.is_empty() {
        shared.arena.clear();
    }
}

struct StopOnDrop {
    mailbox: Mailbox,
    hub: Option<Arc<Hub>>,
    ended: watch::Sender<usize>,
}

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.mailbox.stop();
        if let Some(hub) = &self.hub {
            hub.stop();
        }
        self.ended.send_modify(|ended| *ended += 1);
    }
}
