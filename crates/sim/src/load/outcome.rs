//! What came of a run.

use std::fmt::Write;
use std::time::Duration;

use crate::measure::{Figure, Usage, median};
use crate::peer::BotReport;
use crate::signal::Joined;

/// How long one bot took to come in, each from the click on join.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JoinTimes {
    /// Until the server's answer was there.
    pub answered: Duration,
    /// Until ICE and DTLS were done.
    pub connected: Option<Duration>,
    /// Until the first packet of video came.
    pub first_video: Option<Duration>,
    /// Until the first key frame began.
    pub first_key_frame: Option<Duration>,
    /// From the connection to the first key frame: what the server, and the publisher, took for it.
    pub key_frame_wait: Option<Duration>,
}

impl JoinTimes {
    pub(super) fn of(joined: &Joined, report: &BotReport) -> Self {
        let after = |moment: Option<conclave_qos::Time>| moment.map(|moment| moment.since(joined.clicked));
        Self {
            answered: joined.answered.since(joined.clicked),
            connected: after(report.connected),
            first_video: after(report.first_video),
            first_key_frame: after(report.first_key_frame),
            key_frame_wait: report.first_key_frame.zip(report.connected).map(|(key, connected)| key.since(connected)),
        }
    }
}

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Time of the measurement.
    pub elapsed: Duration,
    /// Of each bot, in the order in which they came.
    pub joins: Vec<JoinTimes>,
    /// Bots whose connection did not last.
    pub ended: usize,
    /// All bots together, during the measurement.
    pub traffic: BotReport,
    /// Packets that sinks did not want.
    pub dropped_by_sinks: u64,
    /// What the server used during the measurement.
    pub usage: Option<Usage>,
}

impl Outcome {
    /// Packets that the server sent on and that arrived, retransmitted ones too.
    pub fn forwarded(&self) -> u64 {
        self.traffic.packets + self.traffic.recovered + self.dropped_by_sinks
    }

    /// Processor time of the server for each of them, in microseconds.
    pub fn cpu_per_packet(&self) -> Option<f64> {
        let usage = self.usage.as_ref()?;
        (self.forwarded() > 0).then(|| usage.processor.as_secs_f64() * 1e6 / self.forwarded() as f64)
    }

    /// Packets for each second of processor time of the busiest thread whose name begins so: how many one core
    /// would carry, were that thread all that it ran.
    pub fn packets_per_busy_second(&self, prefix: &str) -> Option<f64> {
        let busiest = self.usage.as_ref()?.of_threads(prefix).into_iter().max()?;
        Some(self.forwarded() as f64 / busiest.as_secs_f64())
    }

    /// The share of packets that never arrived, 0 to 1.
    pub fn loss(&self) -> f64 {
        let expected = self.traffic.packets + self.traffic.recovered + self.traffic.lost;
        self.traffic.lost as f64 / (expected as f64).max(1.0)
    }

    /// Everything as figures.
    pub fn figures(&self) -> Vec<Figure> {
        let seconds = self.elapsed.as_secs_f64();
        let traffic = &self.traffic;
        let mut figures = vec![
            Figure::new("packets received", self.forwarded() as f64, "packets"),
            Figure::new("packet rate", self.forwarded() as f64 / seconds, "packets/s"),
            Figure::new("received", traffic.bytes as f64 * 8e-6 / seconds, "Mbit/s"),
            Figure::new("sent by bots", traffic.sent_packets as f64 / seconds, "packets/s"),
            Figure::new("loss", self.loss() * 100.0, "%"),
            Figure::new("recovered by retransmission", traffic.recovered as f64, "packets"),
            Figure::new("missing stamps", traffic.missing_stamps as f64, "packets"),
            Figure::new("connections lost", self.ended as f64, "bots"),
        ];
        if let Some(usage) = &self.usage {
            figures.extend(self.cpu_per_packet().map(|cpu| Figure::new("server cpu per packet", cpu, "us")));
            figures.push(Figure::new("server cpu", usage.processor.as_secs_f64() * 100.0 / seconds, "% of a core"));
            figures.push(Figure::new("server memory", usage.resident as f64 / 1e6, "MB"));
            figures.push(Figure::new("server memory of its own", usage.anonymous as f64 / 1e6, "MB"));
            // Shards by name; whatever else is busy is told by name as well.
            for (name, ran) in usage.threads.iter().take(4) {
                figures.push(Figure::new(format!("thread {name}"), ran.as_secs_f64() * 100.0 / seconds, "% of a core"));
            }
        }
        if let Some(latency) = &traffic.latency {
            for (name, share) in [("p50", 0.5), ("p95", 0.95), ("p99", 0.99)] {
                let found = latency.quantile(share);
                figures
                    .extend(found.map(|time| Figure::new(format!("latency {name}"), time.as_secs_f64() * 1e6, "us")));
            }
        }
        type Moment = fn(&JoinTimes) -> Option<Duration>;
        let moments: [(&str, Moment); 5] = [
            ("join: answer", |join| Some(join.answered)),
            ("join: connected", |join| join.connected),
            ("join: first video packet", |join| join.first_video),
            ("join: first key frame", |join| join.first_key_frame),
            ("key frame wait", |join| join.key_frame_wait),
        ];
        for (name, moment) in moments {
            let times: Vec<_> = self.joins.iter().filter_map(moment).map(|time| time.as_secs_f64() * 1e3).collect();
            figures.extend(median(times).map(|time| Figure::new(name, time, "ms")));
        }
        figures
    }

    /// A table for people.
    pub fn table(&self) -> String {
        let mut table = String::new();
        for Figure { metric, value, unit } in self.figures() {
            // Writing to a string cannot fail.
            let _ = writeln!(table, "  {metric:<28} {value:>12.2} {unit}");
        }
        table
    }
}
