//! The media thread: the plane with its socket and clock.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::watch;

use crate::counters::Dropped;
use crate::mailbox::{Command, Mailbox};
use crate::order::group;
use crate::plane::Plane;
use crate::socket::MediaSocket;
use crate::stream::Hub;

/// Commands carried out in one turn, so that packets never wait long for them.
const COMMANDS_PER_TURN: usize = 64;
/// Batches received in one turn, so that what they cause goes out soon.
const BATCHES_PER_TURN: usize = 8;
/// Packets that may wait for the socket, at 1,200 bytes each about 5 MB.
const MOST_WAITING: usize = 4_096;

/// Runs the plane until it is told to stop.
pub(crate) async fn run(
    mut plane: Plane,
    mut socket: MediaSocket,
    mailbox: Mailbox,
    hub: Arc<Hub>,
    ended: watch::Sender<bool>,
) {
    // Whatever ends this function, those who wait for answers learn of it.
    let _stop = StopOnDrop { mailbox: mailbox.clone(), hub, ended };
    loop {
        wait(&mut plane, &socket, &mailbox).await;
        // What waits since the last turn is in order already.
        let waited = plane.outgoing().len();
        let now = Instant::now();
        let mut running = true;
        let mut commands = 0;
        while commands < COMMANDS_PER_TURN
            && let Some(command) = mailbox.pop()
        {
            running &= !matches!(command, Command::Shutdown);
            plane.command(now, command);
            commands += 1;
        }
        if commands == COMMANDS_PER_TURN {
            mailbox.remind();
        }
        for _ in 0..BATCHES_PER_TURN {
            // Behind a batch that is not full, the socket is most likely empty. Asking it costs as much as
            // a packet; the next turn asks, when what this one sends has left and more may have come.
            match socket.receive(|datagram| plane.receive(now, &datagram)) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    plane.shared().counters.socket_errors.increment(1);
                    tracing::debug!(kind = ?error.kind(), "the socket failed to receive");
                    break;
                }
            }
        }
        plane.receive_streams(now);
        plane.expire(now);
        plane.settle(now);
        group(&mut plane.outgoing()[waited..]);
        send(&mut plane, &mut socket);
        plane.shared().counters.worked(now.elapsed());
        if !running {
            return;
        }
    }
}

/// Waits until there is something to do.
async fn wait(plane: &mut Plane, socket: &MediaSocket, mailbox: &Mailbox) {
    let deadline = plane.next_deadline();
    let blocked = !plane.outgoing().is_empty();
    let outbox = &plane.shared().outbox;
    tokio::select! {
        () = mailbox.arrived() => {}
        _ = socket.readable() => {}
        _ = socket.writable(), if blocked => {}
        () = outbox.flushable() => {}
        () = sleep_until(deadline) => {}
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}

fn send(plane: &mut Plane, socket: &mut MediaSocket) {
    let outgoing = plane.outgoing();
    let sent = socket.send(outgoing);
    outgoing.drain(..sent);
    let excess = outgoing.len().saturating_sub(MOST_WAITING);
    if excess > 0 {
        // The oldest are the least worth sending.
        outgoing.drain(..excess);
        plane.shared().counters.dropped(Dropped::Socket, excess as u64);
    }
}

struct StopOnDrop {
    mailbox: Mailbox,
    hub: Arc<Hub>,
    ended: watch::Sender<bool>,
}

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.mailbox.stop();
        self.hub.stop();
        self.ended.send_replace(true);
    }
}
