//! Conditions and checks.

use conclave_qos::{Conclave, CongestionController, Gcc, Limits, Nada, Scream};

use super::{Application, Flow, Link, Path, run};

/// One run.
#[derive(Clone, Copy)]
pub struct Scenario {
    pub name: &'static str,
    pub path: Path,
    /// What each flow sends, and from and until which second.
    pub flows: &'static [(Application, u64, u64)],
    pub seconds: u64,
    /// Figures are taken from this second on.
    pub from: u64,
    pub checks: &'static [Check],
}

/// What must hold. Rates are the first flow's target in kbit/s, times in ms from the beginning.
#[derive(Clone, Copy, Debug)]
pub enum Check {
    /// At this rate or above within this time after that one.
    Reaches { rate: u64, after: u64, within: u64 },
    /// Below this rate within this time after that one.
    Falls { rate: u64, after: u64, within: u64 },
    /// At this rate or above from the one time to the other.
    Keeps { rate: u64, from: u64, until: u64 },
    /// What arrives is this share of what could.
    Utilisation(f64),
    /// 95 of 100 packets wait for less than this, ms.
    Delay(f64),
    /// Less than this share of the packets gets lost.
    Loss(f64),
    /// The flow that gets the least gets this share of what the one with the most gets.
    Fairness(f64),
}

/// What came of a run.
#[derive(Clone, Copy, Debug)]
pub struct Figures {
    /// What arrived, as a share of what the link could carry.
    pub utilisation: f64,
    /// Time in the queue that 95 % of the packets stayed below, ms.
    pub delay: f64,
    /// Share of the packets that got lost.
    pub loss: f64,
    /// Mean of the first flow's targets, kbit/s.
    pub target: f64,
    /// What the flow with the least got of what the one with the most got.
    pub fairness: f64,
}

const MBIT: u64 = 1_000_000;
const GREEDY: Application = Application::Elastic(100 * MBIT);
const ALWAYS: u64 = u64::MAX / 2_000_000;
const ONE: &[(Application, u64, u64)] = &[(GREEDY, 0, ALWAYS)];

const fn steady(name: &'static str, path: Path, checks: &'static [Check]) -> Scenario {
    Scenario { name, path, flows: ONE, seconds: 40, from: 5, checks }
}

const FIVE: Path = Path::plain(&[(0, 5 * MBIT)]);

/// Both ends on one machine that has much else to do.
const BUSY: Path = Path {
    delay: 1_000,
    stall: 80_000,
    stall_every: 200_000,
    sender_stall: 60_000,
    sender_stall_every: 200_000,
    ..Path::plain(&[(0, 500 * MBIT)])
};

pub const SCENARIOS: &[Scenario] = &[
    steady(
        "300 kbit/s",
        Path::plain(&[(0, 300_000)]),
        &[
            Check::Keeps { rate: 180, from: 0, until: 40_000 },
            Check::Utilisation(0.80),
            Check::Delay(150.0),
            Check::Loss(0.02),
        ],
    ),
    steady(
        "2 Mbit/s",
        Path::plain(&[(0, 2 * MBIT)]),
        &[
            Check::Reaches { rate: 1_700, after: 0, within: 2_000 },
            Check::Keeps { rate: 1_300, from: 2_000, until: 40_000 },
            Check::Utilisation(0.85),
            Check::Delay(120.0),
            Check::Loss(0.01),
        ],
    ),
    steady(
        "10 Mbit/s",
        Path::plain(&[(0, 10 * MBIT)]),
        &[
            Check::Reaches { rate: 8_500, after: 0, within: 2_000 },
            Check::Keeps { rate: 6_500, from: 2_000, until: 40_000 },
            Check::Utilisation(0.85),
            Check::Delay(130.0),
            Check::Loss(0.01),
        ],
    ),
    steady(
        "50 Mbit/s",
        Path::plain(&[(0, 50 * MBIT)]),
        &[
            Check::Reaches { rate: 42_000, after: 0, within: 3_000 },
            Check::Keeps { rate: 25_000, from: 3_000, until: 40_000 },
            Check::Utilisation(0.80),
            Check::Loss(0.02),
        ],
    ),
    Scenario {
        name: "10 to 0.5 and back",
        path: Path::plain(&[(0, 10 * MBIT), (15_000_000, 500_000), (30_000_000, 10 * MBIT)]),
        flows: ONE,
        seconds: 50,
        from: 5,
        checks: &[
            Check::Falls { rate: 600, after: 15_000, within: 1_500 },
            Check::Keeps { rate: 220, from: 15_000, until: 30_000 },
            Check::Reaches { rate: 8_000, after: 30_000, within: 8_000 },
            Check::Utilisation(0.75),
            Check::Loss(0.05),
        ],
    },
    steady(
        "2 % random loss",
        Path { loss: 0.02, ..FIVE },
        &[
            Check::Reaches { rate: 4_200, after: 0, within: 3_000 },
            Check::Keeps { rate: 3_000, from: 3_000, until: 40_000 },
            Check::Utilisation(0.80),
        ],
    ),
    steady(
        "5 % random loss",
        Path { loss: 0.05, ..FIVE },
        &[
            Check::Reaches { rate: 2_500, after: 0, within: 5_000 },
            Check::Keeps { rate: 1_500, from: 5_000, until: 40_000 },
            Check::Utilisation(0.60),
        ],
    ),
    steady(
        "30 ms jitter",
        Path { jitter: 30_000, ..FIVE },
        &[
            Check::Reaches { rate: 3_000, after: 0, within: 10_000 },
            Check::Keeps { rate: 2_500, from: 10_000, until: 40_000 },
            Check::Utilisation(0.70),
            Check::Loss(0.02),
        ],
    ),
    steady(
        "stalls, full link",
        Path { stall: 100_000, stall_every: 1_000_000, ..FIVE },
        &[
            Check::Reaches { rate: 4_000, after: 0, within: 4_000 },
            Check::Keeps { rate: 3_000, from: 4_000, until: 40_000 },
            Check::Utilisation(0.80),
            Check::Loss(0.02),
        ],
    ),
    Scenario {
        name: "stalls, one camera",
        path: Path { stall: 100_000, stall_every: 250_000, ..Path::plain(&[(0, 50 * MBIT)]) },
        flows: &[(Application::Fixed(&[(0, MBIT)]), 0, ALWAYS)],
        seconds: 60,
        from: 5,
        checks: &[Check::Keeps { rate: 1_100, from: 3_000, until: 60_000 }],
    },
    Scenario {
        name: "stalls, sound",
        path: Path { stall: 100_000, stall_every: 250_000, ..Path::plain(&[(0, 50 * MBIT)]) },
        flows: &[(Application::Fixed(&[(0, 0)]), 0, ALWAYS)],
        seconds: 60,
        from: 5,
        checks: &[Check::Keeps { rate: 800, from: 3_000, until: 60_000 }],
    },
    Scenario {
        name: "busy machine, camera",
        path: BUSY,
        flows: &[(Application::Fixed(&[(0, MBIT)]), 0, ALWAYS)],
        seconds: 60,
        from: 5,
        checks: &[Check::Keeps { rate: 1_100, from: 5_000, until: 60_000 }],
    },
    Scenario {
        name: "busy machine, sound",
        path: BUSY,
        flows: &[(Application::Fixed(&[(0, 0)]), 0, ALWAYS)],
        seconds: 60,
        from: 5,
        checks: &[Check::Keeps { rate: 700, from: 5_000, until: 60_000 }],
    },
    Scenario {
        name: "busy machine, layers",
        path: BUSY,
        flows: &[(Application::Layers(&[150_000, 500_000, 1_500_000, 4_000_000]), 0, ALWAYS)],
        seconds: 60,
        from: 10,
        checks: &[Check::Keeps { rate: 4_100, from: 10_000, until: 60_000 }],
    },
    Scenario {
        name: "little, then more",
        path: FIVE,
        flows: &[(Application::Fixed(&[(0, 300_000), (20_000_000, 4 * MBIT)]), 0, ALWAYS)],
        seconds: 40,
        from: 22,
        checks: &[
            Check::Keeps { rate: 800, from: 3_000, until: 40_000 },
            Check::Reaches { rate: 4_000, after: 20_000, within: 2_000 },
            Check::Keeps { rate: 3_500, from: 22_000, until: 40_000 },
            Check::Delay(100.0),
        ],
    },
    Scenario {
        name: "layers",
        path: FIVE,
        flows: &[(Application::Layers(&[150_000, 500_000, 1_500_000, 4_000_000]), 0, ALWAYS)],
        seconds: 40,
        from: 5,
        checks: &[
            Check::Reaches { rate: 4_100, after: 0, within: 3_000 },
            Check::Keeps { rate: 4_100, from: 3_000, until: 40_000 },
            Check::Delay(60.0),
        ],
    },
    Scenario {
        name: "a camera's link shrinks",
        path: Path::plain(&[(0, 10 * MBIT), (15_000_000, 400_000), (30_000_000, 10 * MBIT)]),
        flows: &[(Application::Layers(&[150_000, 500_000, 1_500_000]), 0, ALWAYS)],
        seconds: 45,
        from: 5,
        checks: &[
            Check::Reaches { rate: 1_600, after: 0, within: 2_000 },
            Check::Falls { rate: 480, after: 15_000, within: 3_000 },
            Check::Keeps { rate: 150, from: 15_000, until: 30_000 },
            Check::Reaches { rate: 1_600, after: 30_000, within: 8_000 },
        ],
    },
    Scenario {
        name: "two flows",
        path: Path::plain(&[(0, 10 * MBIT)]),
        flows: &[(GREEDY, 0, ALWAYS), (GREEDY, 10, ALWAYS)],
        seconds: 100,
        from: 40,
        checks: &[Check::Fairness(0.35), Check::Utilisation(0.80), Check::Loss(0.02)],
    },
    steady(
        "20 % feedback lost",
        Path { feedback_loss: 0.2, ..FIVE },
        &[
            Check::Reaches { rate: 4_000, after: 0, within: 12_000 },
            Check::Keeps { rate: 2_500, from: 12_000, until: 40_000 },
            Check::Utilisation(0.75),
        ],
    ),
    Scenario {
        name: "no feedback for 10 s",
        path: Path { silent: (15_000_000, 25_000_000), ..FIVE },
        flows: ONE,
        seconds: 40,
        from: 5,
        checks: &[
            Check::Falls { rate: 1_500, after: 15_000, within: 10_000 },
            Check::Reaches { rate: 4_000, after: 25_000, within: 3_000 },
            Check::Loss(0.02),
        ],
    },
];

/// Makes a controller.
pub type Make = fn() -> Box<dyn CongestionController>;

pub const CONCLAVE: Make = || Box::new(Conclave::new(Limits::default()));
pub const GCC: Make = || Box::new(Gcc::new(Limits::default()));
pub const NADA: Make = || Box::new(Nada::new(Limits::default()));
pub const SCREAM: Make = || Box::new(Scream::new(Limits::default()));

/// Runs one and checks it; the same seed gives the same run.
pub fn play_with(make: Make, scenario: &Scenario, seed: u64) -> (Figures, Vec<String>) {
    let (figures, targets) = run_with(make, scenario, seed);
    let failed = scenario.checks.iter().filter(|check| !check.holds(&figures, &targets));
    let failed = failed.map(|check| format!("{}, seed {seed}: {check:?}; {figures:?}", scenario.name)).collect();
    (figures, failed)
}

/// Runs one; gives the targets of the first flow, too.
pub fn run_with(make: Make, scenario: &Scenario, seed: u64) -> (Figures, Vec<u64>) {
    let mut link = Link::new(scenario.path, seed);
    let mut flows: Vec<_> = scenario
        .flows
        .iter()
        .enumerate()
        .map(|(index, (application, from, until))| {
            let mut flow = Flow::new(make(), *application, &link, seed * 100 + index as u64);
            flow.active = (from * 1_000_000, until * 1_000_000);
            flow
        })
        .collect();
    run(&mut link, &mut flows, scenario.seconds * 1_000_000);
    let figures = Figures::new(&link, &flows, scenario.from as usize);
    (figures, std::mem::take(&mut flows[0].targets))
}

impl Figures {
    fn new(link: &Link, flows: &[Flow], from: usize) -> Self {
        let received: Vec<u64> = flows.iter().map(|flow| flow.received.iter().skip(from).sum()).collect();
        let carried: u64 = link.carried.iter().skip(from).sum();
        let mut delays = link.delays.clone();
        delays.sort_unstable();
        let targets = flows[0].targets.get(from * 10..).unwrap_or_default();
        let (least, most) = (received.iter().min(), received.iter().max());
        Self {
            utilisation: received.iter().sum::<u64>() as f64 / carried.max(1) as f64,
            delay: delays.get(delays.len() * 95 / 100).map_or(0.0, |delay| *delay as f64 / 1_000.0),
            loss: link.lost as f64 / link.offered.max(1) as f64,
            target: targets.iter().sum::<u64>() as f64 / targets.len().max(1) as f64 / 1_000.0,
            fairness: least.zip(most).map_or(0.0, |(least, most)| *least as f64 / (*most).max(1) as f64),
        }
    }
}

impl Check {
    fn holds(self, figures: &Figures, targets: &[u64]) -> bool {
        // Targets are sampled each 100 ms.
        let between = |from: u64, until: u64| {
            let last = (until as usize / 100).min(targets.len());
            targets[(from as usize / 100).min(last)..last].iter().map(|target| target / 1_000)
        };
        match self {
            Self::Reaches { rate, after, within } => between(after, after + within).any(|target| target >= rate),
            Self::Falls { rate, after, within } => between(after, after + within).any(|target| target < rate),
            Self::Keeps { rate, from, until } => between(from, until).all(|target| target >= rate),
            Self::Utilisation(least) => figures.utilisation >= least,
            Self::Delay(most) => figures.delay < most,
            Self::Loss(most) => figures.loss < most,
            Self::Fairness(least) => figures.fairness >= least,
        }
    }
}
