use std::time::Duration;

use conclave_qos::{
    ArrivalLog, Bitrate, Conclave, CongestionController, Demand, Ecn, Gcc, Limits, Nada, Pacer, Queued, Scream,
    SendHistory, SentPacket, Time, Turn,
};

use crate::bytes::Bytes;

/// The most events of one input: longer ones teach nothing and cost time.
const STEPS: usize = 4_000;
/// How long a full window stops the pacer.
const HALF_SECOND: Duration = Duration::from_millis(500);

/// All there are.
const MAKES: [fn(Limits) -> Box<dyn CongestionController>; 4] = [
    |limits| Box::new(Gcc::new(limits)),
    |limits| Box::new(Nada::new(limits)),
    |limits| Box::new(Scream::new(limits)),
    |limits| Box::new(Conclave::new(limits)),
];

/// For each controller a sender whose reports say whatever the input says, and a receiver whose packets arrive so. The
/// target and all probes stay within their limits, what is in flight stays within the window, and pacing comes to an end.
/// Returns the highest targets, in bits per second: of GCC, NADA, SCReAM and the one of our own.
///
/// # Panics
/// If they do not.
pub fn controllers(data: &[u8]) -> [u64; 4] {
    MAKES.map(|make| {
        let mut bytes = Bytes(data);
        let mut sender = Sender::new(make);
        for _ in 0..STEPS {
            if sender.step(&mut bytes).is_none() {
                break;
            }
            sender.check();
        }
        sender.highest
    })
}

struct Sender {
    limits: Limits,
    controller: Box<dyn CongestionController>,
    pacer: Pacer,
    history: SendHistory,
    arrivals: ArrivalLog,
    now: Time,
    sent: Option<Time>,
    highest: u64,
}

impl Sender {
    fn new(make: fn(Limits) -> Box<dyn CongestionController>) -> Self {
        let limits = Limits::default();
        let controller = make(limits);
        Self {
            limits,
            pacer: Pacer::new(controller.control()),
            controller,
            history: SendHistory::new(),
            arrivals: ArrivalLog::new(),
            now: Time::default(),
            sent: None,
            highest: 0,
        }
    }

    fn step(&mut self, bytes: &mut Bytes<'_>) -> Option<()> {
        match bytes.u8()? {
            // Time passes and packets leave, as the pacer allows.
            0..=99 => {
                self.now = self.now + Duration::from_micros(u64::from(bytes.u16()?) * 4);
                self.send(u32::from(bytes.u8()?) % 16);
            }
            // The receiver's own book: what it gets is what the sender hears.
            100..=149 => {
                let (count, delay) = (bytes.u8()?, bytes.u16()?);
                let newest = self.history.next_sequence();
                for back in (1..=u16::from(count)).rev() {
                    self.arrivals.record(newest.wrapping_sub(back), self.now + Duration::from_micros(u64::from(delay)));
                }
                self.report();
            }
            150..=159 => {
                self.arrivals.record(bytes.u16()?, self.now);
                self.report();
            }
            // A report that no honest receiver makes.
            160..=219 => {
                let mut sequence = self.history.next_sequence().wrapping_sub(u16::from(bytes.u8()?));
                let mut at = u64::from(bytes.u16()?) << (bytes.u8()? % 48);
                let mut reports = Vec::new();
                for _ in 0..bytes.u8()? {
                    let bits = bytes.u16()?;
                    at = at.wrapping_add_signed(i64::from(bits as i16) * 250);
                    let ecn = [Ecn::NotEct, Ecn::Ect0, Ecn::Ect1, Ecn::Ce][usize::from(bits >> 3 & 3)];
                    reports.push((sequence, (bits & 7 != 0).then_some((Duration::from_micros(at), ecn))));
                    sequence = sequence.wrapping_add(1);
                }
                let mut results = Vec::new();
                self.history.acknowledge_marked(reports.into_iter(), &mut results);
                self.controller.handle_feedback(self.now, &results);
            }
            220 => {
                self.history.handle_route_change();
                self.controller.handle_route_change(self.now);
            }
            221..=229 => self.controller.handle_round_trip(self.now, Duration::from_millis(u64::from(bytes.u16()?))),
            230..=239 => {
                let limit = bytes.u16()?;
                let limit = (limit & 1 == 0).then_some(Bitrate::kbps(u64::from(limit)));
                self.controller.handle_remote_limit(self.now, limit);
            }
            240..=249 => {
                let rate = |kbps: u16| Bitrate::kbps(u64::from(kbps));
                let demand = Demand { sending: rate(bytes.u16()?), wanted: rate(bytes.u16()?) };
                self.controller.handle_demand(self.now, demand);
            }
            _ => {
                self.now = self.now + Duration::from_millis(u64::from(bytes.u16()?));
                self.controller.handle_timeout(self.now);
            }
        }
        Some(())
    }

    fn send(&mut self, mut packets: u32) {
        self.pacer.set_rates(self.now, self.controller.control());
        let window = self.controller.window();
        self.pacer.set_window(window, self.history.in_flight());
        for turns in 0.. {
            assert!(turns < 10_000, "the pacer lets everything leave at once");
            let queued = Queued { bytes: u64::from(packets) * 1_200, packets };
            let (size, probe, is_media) = match self.pacer.poll(self.now, queued) {
                Turn::Media(probe) => {
                    packets -= 1;
                    (1_200, probe, true)
                }
                Turn::Padding { bytes, probe } => (bytes, probe, false),
                Turn::Wait(later) => {
                    assert!(later.is_none_or(|later| later > self.now), "waiting for what has passed");
                    break;
                }
            };
            // One packet leaves each half second, whatever the window; and probes do.
            let is_bound = probe.is_none() && self.sent.is_some_and(|sent| self.now.since(sent) < HALF_SECOND);
            assert!(
                !is_bound || window.is_none_or(|window| self.history.in_flight() < window),
                "{window:?} are in flight already"
            );
            self.sent = Some(self.now);
            let sent = SentPacket { at: self.now, size, probe, is_media };
            self.history.record(sent);
            self.pacer.handle_sent(&sent);
            self.controller.handle_sent(&sent);
        }
    }

    fn report(&mut self) {
        let mut results = Vec::new();
        while let Some(feedback) = self.arrivals.poll_feedback(self.now) {
            results.clear();
            let reports = feedback.arrivals().map(|(sequence, at)| (sequence, at.map(Time::to_duration)));
            self.history.acknowledge(reports, &mut results);
            self.controller.handle_feedback(self.now, &results);
        }
    }

    fn check(&mut self) {
        while let Some(probe) = self.controller.poll_probe() {
            assert!(probe.rate <= self.limits.ceiling, "{probe:?}");
            self.pacer.add_probe(self.now, probe);
        }
        let target = self.controller.control().target;
        assert!((self.limits.floor..=self.limits.ceiling).contains(&target), "{target:?}");
        assert!((0.0..=1.0).contains(&self.controller.snapshot().loss), "{:?}", self.controller.snapshot());
        self.highest = self.highest.max(target.as_bps());
    }
}
