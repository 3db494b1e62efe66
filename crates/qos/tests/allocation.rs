//! Nothing is allocated per packet.

mod counting;

use std::time::Duration;

use conclave_qos::{
    Algorithm, ArrivalLog, Bitrate, CongestionController, Demand, Limits, Pacer, PacketResult, Queued, SendHistory,
    SentPacket, Time, Turn,
};
use counting::allocations;

/// A sender and its receiver.
struct Leg {
    controller: Box<dyn CongestionController>,
    pacer: Pacer,
    history: SendHistory,
    arrivals: ArrivalLog,
    results: Vec<PacketResult>,
    now: u64,
}

impl Leg {
    /// A packet every ms, every 37th lost, reports as they are due.
    fn run(&mut self, packets: u64) {
        for _ in 0..packets {
            self.now += 1_000;
            let at = Time::since_start(Duration::from_micros(self.now));
            if self.controller.poll_timeout().is_some_and(|due| due <= at) {
                self.controller.handle_timeout(at);
            }
            while let Some(probe) = self.controller.poll_probe() {
                self.pacer.add_probe(at, probe);
            }
            self.pacer.set_rates(at, self.controller.control());
            self.pacer.set_window(self.controller.window(), self.history.in_flight());
            let (size, probe) = match self.pacer.poll(at, Queued { bytes: 1_200, packets: 1 }) {
                Turn::Media(probe) => (1_200, probe),
                Turn::Padding { bytes, probe } => (bytes, probe),
                Turn::Wait(_) => continue,
            };
            let sent = SentPacket { at, size, probe, is_media: true };
            let sequence = self.history.record(sent);
            self.pacer.handle_sent(&sent);
            self.controller.handle_sent(&sent);
            if !sequence.is_multiple_of(37) {
                self.arrivals.record(sequence, at);
            }
            while let Some(feedback) = self.arrivals.poll_feedback(at) {
                self.results.clear();
                let reports = feedback.arrivals().map(|(sequence, at)| (sequence, at.map(Time::to_duration)));
                self.history.acknowledge(reports, &mut self.results);
                self.controller.handle_feedback(at, &self.results);
            }
        }
    }
}

#[test]
fn nothing_is_allocated_per_packet() {
    for algorithm in Algorithm::ALL {
        let mut controller = algorithm.controller(Limits::default());
        let demand = Demand { sending: Bitrate::kbps(8_000), wanted: Bitrate::kbps(20_000) };
        controller.handle_demand(Time::default(), demand);
        let mut leg = Leg {
            pacer: Pacer::new(controller.control()),
            controller,
            history: SendHistory::new(),
            arrivals: ArrivalLog::new(),
            results: Vec::new(),
            now: 0,
        };
        leg.run(40_000);
        let before = allocations();
        leg.run(200_000);
        assert_eq!(allocations() - before, 0, "{algorithm}");
    }
}
