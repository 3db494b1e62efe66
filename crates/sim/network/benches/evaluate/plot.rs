//! Rate and delay over time as SVG: small, and readable on light and dark ground.

use std::fmt::Write as _;

use conclave_network::{Controller, LINE, Line, Record, Scenario};

use super::Case;
use super::document::title;

/// The plane that curves are drawn on.
const WIDTH: f64 = 800.0;
const LEFT: f64 = 52.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 40.0;
const GAP: f64 = 26.0;
/// Height of a panel that all controllers share, and of one of each controller's own.
const TALL: f64 = 170.0;
const LOW: f64 = 84.0;
/// Points of all curves together: what keeps a file below 40 kB.
const POINTS: usize = 3_600;
/// Lines of the record in half a second.
const HALF: usize = 5;
/// What is drawn of delays at most, ms.
const MOST_DELAY: f64 = 400.0;

const STYLE: &str = "text{font:11px sans-serif;fill:#333}path{fill:none;stroke-width:1.3}\
.grid{stroke:#ddd;stroke-width:1}.room{stroke:#999;stroke-dasharray:5 3}.tcp{stroke:#999}\
.gcc{stroke:#0072b2}.nada{stroke:#e69f00}.scream{stroke:#cc79a7}.conclave{stroke:#009e73}\
.conclave{stroke-width:1.8}.two{stroke-opacity:.65}.three{stroke-opacity:.4}\
@media(prefers-color-scheme:dark){text{fill:#ccc}.grid{stroke:#444}.room,.tcp{stroke:#888}\
.gcc{stroke:#56b4e9}.nada{stroke:#f0c040}.scream{stroke:#e39ac5}.conclave{stroke:#3ccb9f}}";

/// A scenario's plot. Of one flow, the rates of all controllers in one panel; of several, a panel for each controller with a
/// curve for each flow. Below, the mean delay of media for each controller.
pub fn plot(case: &Case) -> String {
    let senders = case.scenario.flows.len() + usize::from(!case.scenario.tcp.is_empty());
    let is_shared = senders == 1;
    let lines = case.scenario.seconds as usize * 1_000_000 / LINE as usize;
    let curves = case.runs.len() * (senders + 1) + 1;
    // Half a second for a point, or as many of them as keep the file small.
    let step = HALF * (lines * curves).div_ceil(HALF * POINTS).max(1);
    let (panels, height) = if is_shared { (1, TALL) } else { (case.runs.len(), LOW) };
    let total = TOP + (height + GAP) * panels as f64 + TALL + 2.0 * GAP;
    let mut plot = Plot { svg: String::new(), seconds: case.scenario.seconds as f64, step };
    let _ = write!(
        plot.svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {total}\" role=\"img\"><style>{STYLE}</style>"
    );
    let room = room(case, lines);
    let most = most_rate(case, &room);
    plot.legend(case);
    for (index, (kind, _, record)) in case.runs.iter().enumerate() {
        let top = TOP + if is_shared { 0.0 } else { index as f64 * (height + GAP) };
        let panel = Panel { top, height, most };
        if index == 0 || !is_shared {
            let name = if is_shared { "Mbit/s".to_owned() } else { format!("Mbit/s, {}", title(*kind)) };
            plot.frame(panel, &name, 1.0);
            if shows_room(case) {
                plot.curve(panel, "room", &plot.points(&room));
            }
        }
        plot.rates(panel, case.scenario, *kind, record, lines);
    }
    let top = TOP + (height + GAP) * panels as f64 + GAP / 2.0;
    plot.delays(case, top);
    plot.svg.push_str("</svg>\n");
    plot.svg
}

#[derive(Clone, Copy)]
struct Panel {
    top: f64,
    height: f64,
    /// The value at its top.
    most: f64,
}

struct Plot {
    svg: String,
    seconds: f64,
    /// Lines of the record for a point.
    step: usize,
}

impl Plot {
    fn legend(&mut self, case: &Case) {
        let mut x = LEFT;
        let names = case.runs.iter().map(|(kind, ..)| (kind.name(), title(*kind)));
        let room = shows_room(case).then_some(("room", "capacity"));
        let tcp = (!case.scenario.tcp.is_empty()).then_some(("tcp", "TCP"));
        for (class, name) in names.chain(room).chain(tcp) {
            let _ = write!(
                self.svg,
                "<path class=\"{class}\" d=\"M{x} 12h20\"/><text x=\"{}\" y=\"16\">{name}</text>",
                x + 25.0
            );
            x += 105.0;
        }
    }

    /// Lines across with their numbers, and the name of what is measured.
    fn frame(&mut self, panel: Panel, name: &str, unit: f64) {
        let distance = nice(panel.most / if panel.height > LOW { 4.0 } else { 2.0 });
        let mut value = 0.0;
        while value <= panel.most {
            let y = panel.top + panel.height * (1.0 - value / panel.most);
            let _ = write!(
                self.svg,
                "<path class=\"grid\" d=\"M{LEFT} {y:.0}H{:.0}\"/><text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"end\">{}</text>",
                WIDTH - RIGHT,
                LEFT - 6.0,
                y + 4.0,
                (value * unit * 100.0).round() / 100.0
            );
            value += distance;
        }
        let _ = write!(self.svg, "<text x=\"{:.0}\" y=\"{:.0}\">{name}</text>", LEFT, panel.top - 6.0);
    }

    /// Means over [`step`](Self::step) lines.
    fn points(&self, values: &[f64]) -> Vec<f64> {
        values.chunks(self.step).map(|chunk| chunk.iter().sum::<f64>() / chunk.len() as f64).collect()
    }

    fn curve(&mut self, panel: Panel, class: &str, points: &[f64]) {
        let seconds = self.step as f64 * LINE as f64 / 1e6;
        let _ = write!(self.svg, "<path class=\"{class}\" d=\"");
        let mut before = (0, 0);
        for (index, value) in points.iter().enumerate() {
            let time = ((index as f64 + 0.5) * seconds).min(self.seconds);
            let x = LEFT + (WIDTH - LEFT - RIGHT) * time / self.seconds;
            let y = panel.top + panel.height * (1.0 - (value / panel.most).min(1.0));
            let now = (x.round() as i32, y.round() as i32);
            let _ = if index == 0 {
                write!(self.svg, "M{} {}l", now.0, now.1)
            } else {
                write!(self.svg, "{} {} ", now.0 - before.0, now.1 - before.1)
            };
            before = now;
        }
        self.svg.push_str("\"/>");
    }

    fn rates(&mut self, panel: Panel, scenario: &Scenario, kind: Controller, record: &Record, lines: usize) {
        let (media, tcp) = record.lines.split_at(scenario.flows.len());
        if !tcp.is_empty() {
            let sums: Vec<_> = (0..lines).map(|line| tcp.iter().map(|tcp| rate(&tcp[line])).sum()).collect();
            self.curve(panel, "tcp", &self.points(&sums));
        }
        for (index, flow) in media.iter().enumerate() {
            let rates: Vec<_> = flow[..lines].iter().map(rate).collect();
            let class = format!("{} {}", kind.name(), ["", "two", "three"][index % 3]);
            self.curve(panel, class.trim_end(), &self.points(&rates));
        }
    }

    fn delays(&mut self, case: &Case, top: f64) {
        let curves: Vec<_> = case.runs.iter().map(|(kind, _, record)| (kind, self.mean_delays(case, record))).collect();
        let most = curves.iter().flat_map(|(_, points)| points).copied().fold(20.0, f64::max).min(MOST_DELAY);
        let panel = Panel { top, height: TALL, most };
        self.frame(panel, "ms in queues", 1.0);
        for (kind, points) in curves {
            self.curve(panel, kind.name(), &points);
        }
        let bottom = top + TALL;
        let distance = nice(self.seconds / 8.0);
        let mut time = 0.0;
        while time <= self.seconds {
            let x = LEFT + (WIDTH - LEFT - RIGHT) * time / self.seconds;
            let _ = write!(
                self.svg,
                "<text x=\"{x:.0}\" y=\"{:.0}\" text-anchor=\"middle\">{time} s</text>",
                bottom + 15.0
            );
            time += distance;
        }
    }

    /// Of all packets of media in the time of each point.
    fn mean_delays(&self, case: &Case, record: &Record) -> Vec<f64> {
        let lines = case.scenario.seconds as usize * 1_000_000 / LINE as usize;
        let media = &record.lines[..case.scenario.flows.len()];
        (0..lines)
            .step_by(self.step)
            .map(|from| {
                let until = (from + self.step).min(lines);
                let (packets, waited) = media
                    .iter()
                    .flat_map(|flow| &flow[from..until])
                    .fold((0, 0), |(packets, waited), line| (packets + line.packets, waited + line.waited));
                waited as f64 / f64::from(packets.max(1)) / 1e3
            })
            .collect()
    }
}

/// Mbit/s.
fn rate(line: &Line) -> f64 {
    line.delivered as f64 / LINE as f64
}

/// What the first link carries with the seed that is drawn, Mbit/s.
fn room(case: &Case, lines: usize) -> Vec<f64> {
    let carried = case.runs.first().map(|(_, _, record)| &record.carried[..lines]);
    carried.unwrap_or_default().iter().map(|bits| *bits as f64 / LINE as f64).collect()
}

/// What the rates' panels have to hold, Mbit/s.
fn most_rate(case: &Case, room: &[f64]) -> f64 {
    let wanted: f64 = case.scenario.flows.iter().map(|flow| flow.encoder.most as f64 / 1e6).fold(0.0, f64::max);
    let room = room.iter().copied().fold(0.0, f64::max);
    if shows_room(case) { (room * 1.1).min(wanted * 2.0) } else { wanted * 1.25 }
}

/// Of several flows without TCP, each is far below the capacity.
fn shows_room(case: &Case) -> bool {
    case.scenario.flows.len() == 1 || !case.scenario.tcp.is_empty()
}

/// The nearest of 1, 2, 5 times a power of ten, from above.
fn nice(distance: f64) -> f64 {
    let mut unit = 0.001;
    loop {
        for factor in [1.0, 2.0, 5.0] {
            if unit * factor >= distance {
                return unit * factor;
            }
        }
        unit *= 10.0;
    }
}
