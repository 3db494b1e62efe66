//! One thread: waits for packets and time, and gives both to its bots.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use conclave_qos::Time;
use rustix::event::{Timespec, epoll};
use tokio::sync::oneshot;

use super::network::Path;
use super::socket::{BotSocket, Buffers};
use super::{BotId, Order, Until};
use crate::peer::{Bot, BotReport, Moment, Outbox};

pub(super) struct Worker {
    epoch: Instant,
    orders: Receiver<Order>,
    wake: Arc<OwnedFd>,
    epoll: OwnedFd,
    members: HashMap<BotId, Member>,
    /// When to call whom; what is not a member's own time any more is passed over.
    timers: BinaryHeap<Reverse<(Time, BotId)>>,
    watches: Vec<(BotId, Until, oneshot::Sender<BotReport>)>,
    buffers: Buffers,
    outbox: Outbox,
}

struct Member {
    bot: Bot,
    socket: BotSocket,
    path: Path,
    due: Time,
}

/// Stands for the wake-up among the bots.
const WAKE: u64 = u64::MAX;
/// Longest time without a look at the orders.
const NAP: Duration = Duration::from_millis(100);
const MOST_EVENTS: usize = 256;
/// Batches from one socket before others have their turn.
const BATCHES: usize = 8;

impl Worker {
    pub(super) fn new(epoch: Instant, orders: Receiver<Order>, wake: Arc<OwnedFd>) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, &*wake, epoll::EventData::new_u64(WAKE), epoll::EventFlags::IN)?;
        Ok(Self {
            epoch,
            orders,
            wake,
            epoll,
            members: HashMap::new(),
            timers: BinaryHeap::new(),
            watches: Vec::new(),
            buffers: Buffers::new(),
            outbox: Outbox::default(),
        })
    }

    pub(super) fn run(mut self) {
        let mut events = Vec::with_capacity(MOST_EVENTS);
        while self.obey() {
            events.clear();
            let wait = self.timers.peek().map_or(NAP, |Reverse((at, _))| at.since(self.now().time).min(NAP));
            let wait = Timespec { tv_sec: 0, tv_nsec: wait.subsec_nanos().into() };
            // Interrupted or not, what is due is done.
            let _ = epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), Some(&wait));
            for event in &events {
                match event.data.u64() {
                    WAKE => drop(rustix::io::read(&*self.wake, &mut [0; 8])),
                    // Only ids of 32 bits were added.
                    id => self.receive(BotId(id as u32)),
                }
            }
            self.call_due();
        }
    }

    fn now(&self) -> Moment {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Moment { time: Time::since_start(self.epoch.elapsed()), wall }
    }

    /// Whether there is anybody left who gives orders.
    fn obey(&mut self) -> bool {
        loop {
            match self.orders.try_recv() {
                Ok(Order::Add(id, bot, socket)) => self.add(id, *bot, socket),
                Ok(Order::Layers(id, wanted)) => {
                    if let Some(member) = self.members.get_mut(&id) {
                        member.bot.set_wanted_layers(&wanted);
                    }
                }
                Ok(Order::Sending { bot, sound, picture }) => {
                    if let Some(member) = self.members.get_mut(&bot) {
                        member.bot.set_sending(sound, picture);
                    }
                }
                Ok(Order::Network(id, network)) => {
                    if let Some(member) = self.members.get_mut(&id) {
                        member.path.set(network);
                    }
                }
                Ok(Order::Move(id, socket)) => self.move_to(id, socket),
                Ok(Order::Remove(id)) => {
                    if let Some(member) = self.members.remove(&id) {
                        let _ = epoll::delete(&self.epoll, &member.socket);
                    }
                }
                Ok(Order::Sink) => {
                    for member in self.members.values_mut() {
                        // Without a filter a sink receives everything, which is slower and counts the same.
                        if member.socket.drop_media().is_ok() {
                            member.bot.begin_to_drop();
                        }
                    }
                }
                Ok(Order::Report(reply)) => {
                    let reports = self.members.iter().map(|(id, member)| (*id, member.bot.report().clone()));
                    // Who asked may have lost patience.
                    let _ = reply.send(reports.collect());
                }
                Ok(Order::Watch(id, until, reply)) => {
                    self.watches.push((id, until, reply));
                    self.answer_watches(id);
                }
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
    }

    fn add(&mut self, id: BotId, bot: Bot, socket: BotSocket) {
        let data = epoll::EventData::new_u64(id.0.into());
        if epoll::add(&self.epoll, &socket, data, epoll::EventFlags::IN).is_ok() {
            self.members.insert(id, Member { bot, socket, path: Path::new(id.0), due: Time::default() });
            self.call(id);
        }
    }

    fn move_to(&mut self, id: BotId, socket: BotSocket) {
        let Some(member) = self.members.get_mut(&id) else { return };
        let data = epoll::EventData::new_u64(id.0.into());
        if epoll::add(&self.epoll, &socket, data, epoll::EventFlags::IN).is_ok() {
            let _ = epoll::delete(&self.epoll, &member.socket);
            member.socket = socket;
        }
    }

    fn receive(&mut self, id: BotId) {
        for _ in 0..BATCHES {
            let now = self.now();
            let Some(Member { bot, socket, path, .. }) = self.members.get_mut(&id) else { return };
            let received = socket.receive(&mut self.buffers, |from, stamp, packet| {
                if path.carries() {
                    bot.handle_packet(now, stamp.unwrap_or(now.wall), from, packet);
                }
            });
            if !received.unwrap_or(false) {
                break;
            }
        }
        self.call(id);
    }

    fn call_due(&mut self) {
        loop {
            let now = self.now().time;
            let Some(Reverse((at, id))) = self.timers.peek().copied() else { return };
            if at > now {
                return;
            }
            self.timers.pop();
            if self.members.get(&id).is_some_and(|member| member.due == at) {
                self.call(id);
            }
        }
    }

    /// Lets a bot do what is due, and sends what it has to say.
    fn call(&mut self, id: BotId) {
        let now = self.now();
        let Some(member) = self.members.get_mut(&id) else { return };
        let due = member.bot.poll(now, &mut self.outbox);
        if due != member.due {
            member.due = due;
            self.timers.push(Reverse((due, id)));
        }
        for (to, packet) in self.outbox.other.drain(..) {
            if member.path.carries() {
                member.socket.send(to, &packet);
            }
        }
        if let (Some(remote), false) = (member.bot.remote(), self.outbox.media.is_empty()) {
            member.path.send_all(&member.socket, remote, &self.outbox.media);
        }
        self.outbox.media.clear();
        if !self.watches.is_empty() {
            self.answer_watches(id);
        }
    }

    fn answer_watches(&mut self, id: BotId) {
        let Some(member) = self.members.get(&id) else { return };
        let report = member.bot.report();
        let is_reached = |until: &Until| match until {
            Until::Connected => report.connected.is_some(),
            Until::Packets(packets) => report.packets >= *packets,
        };
        let reached = self.watches.extract_if(.., |(of, until, _)| *of == id && (report.ended || is_reached(until)));
        for (_, _, reply) in reached {
            let _ = reply.send(report.clone());
        }
    }
}
