//! Threads that own the sockets of many bots each.

mod network;
mod socket;
mod worker;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use conclave_qos::Time;
use rustix::event::{EventfdFlags, eventfd};
use tokio::sync::oneshot;

use crate::peer::{Bot, BotReport};
pub use network::Network;
pub use socket::BotSocket;

/// Names a bot for its whole life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BotId(u32);

/// All bots of a run.
pub struct Swarm {
    epoch: Instant,
    threads: Vec<Thread>,
    next: Mutex<u32>,
}

struct Thread {
    orders: Sender<Order>,
    /// Wakes the thread, which waits for packets.
    wake: Arc<OwnedFd>,
    handle: Option<JoinHandle<()>>,
}

enum Order {
    Add(BotId, Box<Bot>, BotSocket),
    Layers(BotId, Vec<bool>),
    Sending { bot: BotId, sound: bool, picture: bool },
    Network(BotId, Network),
    Move(BotId, BotSocket),
    Remove(BotId),
    Sink,
    Report(oneshot::Sender<Vec<(BotId, BotReport)>>),
    Watch(BotId, Until, oneshot::Sender<BotReport>),
}

/// What a bot is awaited to have reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// ICE and DTLS are done, or it has failed.
    Connected,
    /// So many packets of media have come, or it has ended.
    Packets(u64),
}

impl Swarm {
    /// Starts so many threads.
    ///
    /// # Errors
    /// If the system gives no thread or no descriptor.
    pub fn start(threads: usize) -> io::Result<Self> {
        let epoch = Instant::now();
        let start = |number: usize| {
            let (orders, received): (_, Receiver<Order>) = channel();
            let wake = Arc::new(eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?);
            let worker = worker::Worker::new(epoch, received, wake.clone())?;
            let thread = std::thread::Builder::new().name(format!("bots-{number}"));
            let handle = thread.spawn(move || worker.run())?;
            Ok(Thread { orders, wake, handle: Some(handle) })
        };
        Ok(Self { epoch, threads: (0..threads.max(1)).map(start).collect::<io::Result<_>>()?, next: Mutex::new(0) })
    }

    /// The moment that bots' times count from.
    pub fn epoch(&self) -> Instant {
        self.epoch
    }

    /// Now, as bots count.
    pub fn now(&self) -> Time {
        Time::since_start(self.epoch.elapsed())
    }

    /// A socket for a bot, on this address.
    ///
    /// # Errors
    /// If the system gives none.
    pub fn socket(&self, address: IpAddr, sink: bool) -> io::Result<BotSocket> {
        BotSocket::bind(SocketAddr::new(address, 0), sink)
    }

    /// Hands a bot over that has agreed with a server; it connects now.
    pub fn add(&self, bot: Bot, socket: BotSocket) -> BotId {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let id = BotId(*next);
        *next += 1;
        drop(next);
        self.order(id, Order::Add(id, Box::new(bot), socket));
        id
    }

    /// Which layers the server wants of a bot's camera.
    pub fn set_wanted_layers(&self, bot: BotId, wanted: Vec<bool>) {
        self.order(bot, Order::Layers(bot, wanted));
    }

    /// Whether a bot's microphone and camera are on. A camera that comes back begins with a key frame.
    pub fn set_sending(&self, bot: BotId, sound: bool, picture: bool) {
        self.order(bot, Order::Sending { bot, sound, picture });
    }

    /// How a bot's network is from now on.
    pub fn set_network(&self, bot: BotId, network: Network) {
        self.order(bot, Order::Network(bot, network));
    }

    /// A bot's packets go from and come to another socket from now on, of which it knows nothing: as when a NAT forgets
    /// a mapping.
    pub fn move_to(&self, bot: BotId, socket: BotSocket) {
        self.order(bot, Order::Move(bot, socket));
    }

    /// From now on the sockets of sinks drop most media.
    pub fn begin_to_drop(&self) {
        self.threads.iter().for_each(|thread| thread.order(Order::Sink));
    }

    /// Ends a bot; its socket is closed.
    pub fn remove(&self, bot: BotId) {
        self.order(bot, Order::Remove(bot));
    }

    /// What all bots have seen, in the order in which they were added.
    pub async fn reports(&self) -> Vec<(BotId, BotReport)> {
        let mut all = Vec::new();
        for thread in &self.threads {
            let (reply, reports) = oneshot::channel();
            thread.order(Order::Report(reply));
            all.extend(reports.await.unwrap_or_default());
        }
        all.sort_by_key(|(id, _)| *id);
        all
    }

    /// Waits until a bot has reached something. `None` if that took too long.
    pub async fn watch(&self, bot: BotId, until: Until, patience: Duration) -> Option<BotReport> {
        let (reply, reached) = oneshot::channel();
        self.order(bot, Order::Watch(bot, until, reply));
        tokio::time::timeout(patience, reached).await.ok()?.ok()
    }

    fn order(&self, bot: BotId, order: Order) {
        self.threads[bot.0 as usize % self.threads.len()].order(order);
    }
}

impl Thread {
    fn order(&self, order: Order) {
        // A thread that has ended has reported why; nobody needs its bots any more.
        let _ = self.orders.send(order);
        let _ = rustix::io::write(&*self.wake, &1_u64.to_ne_bytes());
    }
}

impl Drop for Swarm {
    fn drop(&mut self) {
        for thread in &mut self.threads {
            let (orders, _) = channel();
            // A thread ends when nobody can order it about any more.
            drop(std::mem::replace(&mut thread.orders, orders));
            let _ = rustix::io::write(&*thread.wake, &1_u64.to_ne_bytes());
            if let Some(handle) = thread.handle.take() {
                let _ = handle.join();
            }
        }
    }
}
