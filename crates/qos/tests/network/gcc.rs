//! What the scenarios show of GCC, which is as libwebrtc has it: it falls to what arrives where little is sent, rises by
//! 8 % a second where no probe helps, and a flow that comes later may get little.

use super::scenarios::{Check, SCENARIOS, Scenario};

/// What must hold of GCC in the scenario of this name.
struct Expected(&'static str, &'static [Check]);

const EXPECTED: &[Expected] = &[
    Expected(
        "300 kbit/s",
        &[
            Check::Keeps { rate: 180, from: 0, until: 40_000 },
            Check::Utilisation(0.85),
            Check::Delay(180.0),
            Check::Loss(0.02),
        ],
    ),
    Expected(
        "2 Mbit/s",
        &[
            Check::Reaches { rate: 1_700, after: 0, within: 2_000 },
            Check::Keeps { rate: 1_300, from: 2_000, until: 40_000 },
            Check::Utilisation(0.90),
            Check::Delay(160.0),
            Check::Loss(0.01),
        ],
    ),
    Expected(
        "10 Mbit/s",
        &[
            Check::Reaches { rate: 8_500, after: 0, within: 2_000 },
            Check::Keeps { rate: 6_500, from: 2_000, until: 40_000 },
            Check::Utilisation(0.80),
            Check::Delay(180.0),
            Check::Loss(0.01),
        ],
    ),
    Expected(
        "50 Mbit/s",
        &[
            Check::Reaches { rate: 42_000, after: 0, within: 3_000 },
            Check::Keeps { rate: 20_000, from: 3_000, until: 40_000 },
            Check::Utilisation(0.75),
            Check::Loss(0.02),
        ],
    ),
    Expected(
        "10 to 0.5 and back",
        &[
            Check::Falls { rate: 600, after: 15_000, within: 4_000 },
            Check::Keeps { rate: 220, from: 15_000, until: 30_000 },
            Check::Reaches { rate: 2_500, after: 30_000, within: 20_000 },
            Check::Utilisation(0.40),
            Check::Loss(0.06),
        ],
    ),
    Expected(
        "2 % random loss",
        &[
            Check::Reaches { rate: 4_200, after: 0, within: 3_000 },
            Check::Keeps { rate: 3_000, from: 3_000, until: 40_000 },
            Check::Utilisation(0.80),
        ],
    ),
    Expected(
        "5 % random loss",
        &[
            Check::Reaches { rate: 2_500, after: 0, within: 5_000 },
            Check::Keeps { rate: 1_500, from: 5_000, until: 40_000 },
            Check::Utilisation(0.80),
        ],
    ),
    Expected(
        "30 ms jitter",
        &[
            Check::Reaches { rate: 3_000, after: 0, within: 20_000 },
            Check::Keeps { rate: 2_000, from: 10_000, until: 40_000 },
            Check::Utilisation(0.70),
            Check::Loss(0.02),
        ],
    ),
    Expected(
        "stalls, full link",
        &[
            Check::Reaches { rate: 4_000, after: 0, within: 4_000 },
            Check::Keeps { rate: 3_000, from: 4_000, until: 40_000 },
            Check::Utilisation(0.80),
            Check::Loss(0.02),
        ],
    ),
    // What a stalled machine shows is taken for a queue: the rate falls to what arrives, which is what is sent.
    Expected("stalls, one camera", &[Check::Keeps { rate: 800, from: 3_000, until: 60_000 }]),
    Expected("stalls, sound", &[Check::Keeps { rate: 40, from: 3_000, until: 60_000 }]),
    Expected("busy machine, camera", &[Check::Keeps { rate: 800, from: 5_000, until: 60_000 }]),
    Expected("busy machine, sound", &[Check::Keeps { rate: 35, from: 5_000, until: 60_000 }]),
    Expected(
        "busy machine, layers",
        &[
            Check::Reaches { rate: 4_100, after: 0, within: 10_000 },
            Check::Keeps { rate: 3_300, from: 10_000, until: 60_000 },
        ],
    ),
    Expected(
        "little, then more",
        &[
            Check::Keeps { rate: 600, from: 3_000, until: 40_000 },
            Check::Reaches { rate: 4_000, after: 20_000, within: 2_000 },
            Check::Keeps { rate: 3_500, from: 22_000, until: 40_000 },
            Check::Delay(100.0),
        ],
    ),
    Expected(
        "layers",
        &[
            Check::Reaches { rate: 4_100, after: 0, within: 3_000 },
            Check::Keeps { rate: 4_100, from: 3_000, until: 40_000 },
            Check::Delay(60.0),
        ],
    ),
    // How soon it probes upwards again depends on when it sees that little is sent.
    Expected(
        "a camera's link shrinks",
        &[
            Check::Reaches { rate: 1_600, after: 0, within: 2_000 },
            Check::Falls { rate: 480, after: 15_000, within: 8_000 },
            Check::Keeps { rate: 150, from: 15_000, until: 30_000 },
        ],
    ),
    Expected("two flows", &[Check::Fairness(0.05), Check::Utilisation(0.80), Check::Loss(0.02)]),
    Expected(
        "20 % feedback lost",
        &[
            Check::Reaches { rate: 4_000, after: 0, within: 12_000 },
            Check::Keeps { rate: 2_500, from: 12_000, until: 40_000 },
            Check::Utilisation(0.70),
        ],
    ),
    Expected(
        "no feedback for 10 s",
        &[
            Check::Falls { rate: 1_500, after: 15_000, within: 10_000 },
            Check::Reaches { rate: 4_000, after: 25_000, within: 3_000 },
            Check::Loss(0.02),
        ],
    ),
];

/// All scenarios, with what must hold of GCC.
pub fn scenarios() -> impl Iterator<Item = Scenario> {
    assert_eq!(EXPECTED.len(), SCENARIOS.len());
    SCENARIOS.iter().zip(EXPECTED).map(|(scenario, Expected(name, checks))| {
        assert_eq!(scenario.name, *name, "both are in one order");
        Scenario { checks, ..*scenario }
    })
}
