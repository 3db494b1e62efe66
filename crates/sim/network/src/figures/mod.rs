//! What is to be seen on a run, in numbers. What each means stands at [`Figure`].

mod share;
mod times;

use std::time::Duration;

use conclave_qos::Time;

use crate::capacity::Capacity;
use crate::record::{LINE, Line, Record};
use crate::scenario::{Rate, Scenario};
use crate::tcp::Workload;
use crate::units::at;
use share::{fair_share, jain};
use times::{drained_after, reached_after};

/// One number that a run may have. Times are in seconds from the event that they are about to the end of the 100 ms in
/// which it was first so; infinite where it never was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Figure {
    /// What the bottleneck delivered of what it could: of its capacity, or of what all encoders that send make at most if
    /// that is less. All headers count, padding does not; TCP counts where there is some.
    Utilisation,
    /// The median of the time that packets of media wait in queues, without their own transmission, ms.
    Delay50,
    /// 95 of 100 wait for no longer, ms.
    Delay95,
    /// 99 of 100, ms.
    Delay99,
    /// The same as [`Delay95`](Self::Delay95) in the scenario's focus alone, ms.
    Focus95,
    /// The same as [`Delay99`](Self::Delay99) in the scenario's focus alone, ms.
    Focus99,
    /// Packets of media that were lost, of those that were sent.
    Loss,
    /// From the start until the mean of 500 ms is at 90 % of what is available, s.
    Start,
    /// The same after a step up of the capacity; the longest of all steps, s.
    StepUp,
    /// From a step down of the capacity until the queue that it made is gone: until 300 ms begin in which each 100 ms have
    /// a mean delay below 30 ms. 0 where within a second no queue has come. The longest of all steps, s.
    Drain,
    /// Jain's index over the rates of the flows, from 20 s after the last one came or came back until the first one goes.
    Fairness,
    /// From a later flow's start until its mean of 1 s is at 80 % of its fair share; the longest of all, s.
    Newcomer,
    /// The same after a pause, with a mean of 500 ms, s.
    Resume,
    /// Rate of media as a share of what would be fair (equal parts for all), while media and long TCP are there.
    MediaShare,
    /// The same for long TCP connections.
    TcpShare,
}

impl Figure {
    /// All, in the order of the tables.
    pub const ALL: [Self; 15] = [
        Self::Utilisation,
        Self::Delay50,
        Self::Delay95,
        Self::Delay99,
        Self::Focus95,
        Self::Focus99,
        Self::Loss,
        Self::Start,
        Self::StepUp,
        Self::Drain,
        Self::Fairness,
        Self::Newcomer,
        Self::Resume,
        Self::MediaShare,
        Self::TcpShare,
    ];

    /// As tables call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Utilisation => "utilisation",
            Self::Delay50 => "p50 queue",
            Self::Delay95 => "p95 queue",
            Self::Delay99 => "p99 queue",
            Self::Focus95 => "p95 queue in focus",
            Self::Focus99 => "p99 queue in focus",
            Self::Loss => "loss",
            Self::Start => "start to 90 %",
            Self::StepUp => "up-step to 90 %",
            Self::Drain => "drain",
            Self::Fairness => "Jain",
            Self::Newcomer => "newcomer",
            Self::Resume => "resume",
            Self::MediaShare => "media of fair",
            Self::TcpShare => "TCP of fair",
        }
    }

    /// In what it is measured.
    pub const fn unit(self) -> &'static str {
        match self {
            Self::Utilisation | Self::Loss | Self::MediaShare | Self::TcpShare | Self::Fairness => "ratio",
            Self::Delay50 | Self::Delay95 | Self::Delay99 | Self::Focus95 | Self::Focus99 => "ms",
            Self::Start | Self::StepUp | Self::Drain | Self::Newcomer | Self::Resume => "s",
        }
    }

    /// Whether more of it is better.
    pub const fn is_better_high(self) -> bool {
        matches!(self, Self::Utilisation | Self::Fairness | Self::MediaShare | Self::TcpShare)
    }
}

/// The numbers of a run; those that a scenario has no place for are missing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures([Option<f64>; Figure::ALL.len()]);

/// Means over so many lines: 500 ms, and 1 s.
const HALF_SECOND: usize = 5;
const SECOND: usize = 10;
/// Lines until flows are taken to share as they ever will.
const SETTLED: usize = 200;

impl Figures {
    /// The number, if the scenario has a place for it.
    pub fn get(&self, figure: Figure) -> Option<f64> {
        self.0[figure as usize]
    }

    fn set(&mut self, figure: Figure, value: Option<f64>) {
        self.0[figure as usize] = value;
    }

    /// Of a run, from what was written down and what its links carry.
    pub(crate) fn new(scenario: &Scenario, record: &Record, capacities: &[&Capacity]) -> Self {
        let mut figures = Self::default();
        let views: Vec<_> =
            (0..).zip(capacities).map(|(link, capacity)| View::new(scenario, record, link, capacity)).collect();
        let delivered: f64 = views.iter().map(|view| view.delivered.iter().sum::<f64>()).sum();
        let available: f64 = views.iter().map(|view| view.available.iter().sum::<f64>()).sum();
        figures.set(Figure::Utilisation, (available > 0.0).then(|| delivered / available));
        figures.set(Figure::Delay50, record.delays.quantile(0.5));
        figures.set(Figure::Delay95, record.delays.quantile(0.95));
        figures.set(Figure::Delay99, record.delays.quantile(0.99));
        figures.set(Figure::Focus95, record.focused.quantile(0.95));
        figures.set(Figure::Focus99, record.focused.quantile(0.99));
        let media = record.lines.iter().take(scenario.flows.len()).flatten();
        let (sent, lost) =
            media.fold((0_u64, 0_u64), |(sent, lost), line| (sent + u64::from(line.sent), lost + u64::from(line.lost)));
        figures.set(Figure::Loss, (sent > 0).then(|| lost as f64 / sent as f64));
        let longest = |times: Vec<f64>| times.into_iter().reduce(f64::max);
        // Where TCP takes what media leave, all is always taken.
        let alone = views.iter().filter(|view| view.tcp.is_empty());
        figures.set(Figure::Start, longest(alone.filter_map(View::start).collect()));
        // A rate that wanders has no steps.
        let stepping =
            || views.iter().filter(|view| matches!(view.scenario.links[usize::from(view.link)].rate, Rate::Steps(_)));
        figures.set(Figure::StepUp, longest(stepping().flat_map(View::steps_up).collect()));
        figures.set(Figure::Drain, longest(stepping().flat_map(View::steps_down).collect()));
        if let [view] = &views[..] {
            figures.set(Figure::Fairness, view.fairness());
            figures.set(Figure::Newcomer, longest(view.newcomers()));
            figures.set(Figure::Resume, longest(view.resumed()));
            let (media, tcp) = view.shares().unzip();
            figures.set(Figure::MediaShare, media);
            figures.set(Figure::TcpShare, tcp);
        }
        figures
    }
}

/// A link and those who send over it, line by line.
struct View<'a> {
    scenario: &'a Scenario,
    record: &'a Record,
    link: u8,
    /// The flows whose media pass it, as places in the scenario.
    flows: Vec<usize>,
    /// The senders of TCP that pass it, as places in the record.
    tcp: Vec<usize>,
    capacity: &'a Capacity,
    /// Bits that the link could carry, what of that somebody would send, and what was delivered.
    carried: Vec<f64>,
    available: Vec<f64>,
    delivered: Vec<f64>,
}

impl<'a> View<'a> {
    fn new(scenario: &'a Scenario, record: &'a Record, link: u8, capacity: &'a Capacity) -> Self {
        // What comes through all links is what counts at each.
        let passes = |flow: &usize| scenario.flows[*flow].forward.contains(&link);
        let flows: Vec<_> = (0..scenario.flows.len()).filter(passes).collect();
        let passes = |tcp: &usize| scenario.tcp[*tcp].forward.contains(&link);
        let tcp = (0..scenario.tcp.len()).filter(passes).map(|tcp| scenario.flows.len() + tcp).collect();
        let mut view = Self {
            scenario,
            record,
            link,
            flows,
            tcp,
            capacity,
            carried: Vec::new(),
            available: Vec::new(),
            delivered: Vec::new(),
        };
        for line in 0..(scenario.seconds as usize * SECOND) {
            let carried = capacity.carried(begin(line), begin(line + 1)) as f64;
            let available = view.available(line, carried);
            let senders = view.flows.iter().chain(&view.tcp);
            let delivered: f64 = senders.map(|sender| record.lines[*sender][line].delivered as f64).sum();
            // What leaves the queue after the last flow has stopped is not asked for.
            view.delivered.push(if available > 0.0 { delivered } else { 0.0 });
            view.carried.push(carried);
            view.available.push(available);
        }
        view
    }

    /// What is wanted of what the link carries in this line, bits: all of it by TCP, nothing while no media are sent.
    fn available(&self, line: usize, carried: f64) -> f64 {
        let media: f64 = self.demands(line).iter().sum();
        if media > 0.0 && !self.tcp.is_empty() { carried } else { media.min(carried) }
    }

    /// What the flows that send would send at most in this line, bits.
    fn demands(&self, line: usize) -> Vec<f64> {
        let sending = self.flows.iter().filter(|flow| self.scenario.flows[**flow].timeline.sends(begin(line)));
        sending.map(|flow| self.scenario.flows[*flow].encoder.most as f64 * LINE as f64 / 1e6).collect()
    }

    fn lines(&self, flow: usize) -> &'a [Line] {
        &self.record.lines[flow]
    }

    /// The first line in which somebody sends.
    fn start(&self) -> Option<f64> {
        let first = self.available.iter().position(|available| *available > 0.0)?;
        Some(reached_after(
            &self.delivered,
            |line| 0.9 * self.available[line],
            first,
            self.available.len(),
            HALF_SECOND,
        ))
    }

    /// Lines at which the capacity changes, and until which it then stays.
    fn steps(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        let steps = self.capacity.steps();
        steps.iter().enumerate().skip(1).map(|(index, (since, _))| {
            let until = steps.get(index + 1).map_or(self.available.len(), |(next, _)| line_of(*next));
            (line_of(*since), until.min(self.available.len()))
        })
    }

    fn steps_up(&self) -> Vec<f64> {
        let up = self.steps().filter(|(at, until)| at < until && self.available[at - 1] < 0.9 * self.available[*at]);
        up.map(|(at, until)| reached_after(&self.delivered, |line| 0.9 * self.available[line], at, until, HALF_SECOND))
            .collect()
    }

    fn steps_down(&self) -> Vec<f64> {
        let delays: Vec<_> = (0..self.available.len()).map(|line| self.mean_delay(line)).collect();
        let down = self.steps().filter(|(at, until)| at < until && self.available[*at] < self.available[at - 1]);
        down.map(|(at, until)| drained_after(&delays, at, until)).collect()
    }

    /// Of what was delivered in a line, ms; `None` if that was nothing.
    fn mean_delay(&self, line: usize) -> Option<f64> {
        let lines = self.flows.iter().map(|flow| self.lines(*flow)[line]);
        let (packets, waited) =
            lines.fold((0, 0), |(packets, waited), line| (packets + line.packets, waited + line.waited));
        (packets > 0).then(|| waited as f64 / f64::from(packets) / 1_000.0)
    }

    fn fairness(&self) -> Option<f64> {
        let timelines = || self.flows.iter().map(|flow| self.scenario.flows[*flow].timeline);
        let last = timelines().map(|timeline| timeline.pause.map_or(timeline.from, |(_, until)| until)).max()?;
        let from = last as usize * SECOND + SETTLED;
        let until = timelines().map(|timeline| timeline.until).min()? as usize * SECOND;
        let rates: Vec<f64> = self
            .flows
            .iter()
            .map(|flow| {
                self.lines(*flow).get(from..until).unwrap_or_default().iter().map(|line| line.delivered as f64).sum()
            })
            .collect();
        (rates.len() > 1 && from < until).then(|| jain(&rates))
    }

    /// Seconds until a flow has 80 % of its fair share.
    fn settled(&self, flow: usize, second: u64, window: usize) -> f64 {
        let rates: Vec<_> = self.lines(flow).iter().map(|line| line.delivered as f64).collect();
        let fair = |line| 0.8 * fair_share(self.carried[line], &self.demands(line));
        reached_after(&rates, fair, second as usize * SECOND, self.carried.len(), window)
    }

    fn newcomers(&self) -> Vec<f64> {
        let start = |flow: usize| self.scenario.flows[flow].timeline.from;
        let first = self.flows.iter().map(|flow| start(*flow)).min().unwrap_or_default();
        let later = self.flows.iter().copied().filter(|flow| start(*flow) > first);
        later.map(|flow| self.settled(flow, start(flow), SECOND)).collect()
    }

    /// What media and long TCP connections got of what would be fair, while all of them were there.
    fn shares(&self) -> Option<(f64, f64)> {
        let mut times: Vec<_> = self
            .flows
            .iter()
            .map(|flow| self.scenario.flows[*flow].timeline)
            .map(|timeline| (timeline.from, timeline.until))
            .collect();
        for tcp in &self.tcp {
            // The record has flows first.
            match self.scenario.tcp[tcp - self.scenario.flows.len()].workload {
                Workload::Long { from, until } => times.push((from, until)),
                Workload::Short { .. } => return None,
            }
        }
        let from = times.iter().map(|(from, _)| *from).max()? as usize * SECOND;
        let until = times.iter().map(|(_, until)| *until).min()? as usize * SECOND;
        if self.tcp.is_empty() || from >= until {
            return None;
        }
        let fair: f64 = self.carried[from..until].iter().sum::<f64>() / times.len() as f64;
        let share = |senders: &[usize]| {
            let lines = senders.iter().flat_map(|sender| &self.lines(*sender)[from..until]);
            lines.map(|line| line.delivered as f64).sum::<f64>() / senders.len() as f64 / fair
        };
        Some((share(&self.flows), share(&self.tcp)))
    }

    fn resumed(&self) -> Vec<f64> {
        let pauses = self.flows.iter().filter_map(|flow| Some((*flow, self.scenario.flows[*flow].timeline.pause?)));
        pauses.map(|(flow, (_, until))| self.settled(flow, until, HALF_SECOND)).collect()
    }
}

/// When a line begins.
fn begin(line: usize) -> Time {
    at(line as u64 * LINE)
}

/// The line of a moment.
fn line_of(time: Time) -> usize {
    (time.to_duration().as_micros() / Duration::from_micros(LINE).as_micros()) as usize
}

#[cfg(test)]
mod tests;
