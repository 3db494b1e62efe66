//! Writes what was measured into `docs/qos.md`, between its markers, and the plots beside it.

use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;

use conclave_network::{CONTROLLERS, Controller};

use super::Case;
use super::elsewhere::ELSEWHERE;
use super::plot::plot;
use super::table::{bound, label, mean_cell, rows};

const BEGIN: &str = "<!-- measured: begin -->";
const END: &str = "<!-- measured: end -->";

/// Rewrites the document and all plots.
pub fn write(cases: &[Case]) -> io::Result<()> {
    let docs = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../docs"));
    let document = docs.join("qos.md");
    let text = std::fs::read_to_string(&document)?;
    let text = replaced(&text, &section(cases)).ok_or_else(|| io::Error::other("a marker is missing"))?;
    std::fs::create_dir_all(docs.join("qos"))?;
    for case in cases {
        std::fs::write(docs.join("qos").join(format!("{}.svg", case.scenario.name)), plot(case))?;
    }
    std::fs::write(document, text)
}

/// The text with another section between the markers.
fn replaced(text: &str, section: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{section}{END}{after}"))
}

fn section(cases: &[Case]) -> String {
    let mut text = String::new();
    let all: Vec<_> = cases.iter().flat_map(|case| rows(case, &CONTROLLERS)).collect();
    let kept = all.iter().filter(|row| row.is_kept == Some(true)).count();
    let goals = all.iter().filter(|row| row.is_kept.is_some()).count();
    let _ = writeln!(text, "\nConclave's controller reaches {kept} of {goals} goals.");
    elsewhere(cases, &mut text);
    for case in cases {
        let _ = writeln!(text, "\n### {}: {}\n", case.scenario.name, case.scenario.title);
        let names: Vec<_> = CONTROLLERS.iter().map(|kind| title(*kind)).collect();
        let _ = writeln!(text, "| | {} | wanted | |", names.join(" | "));
        let _ = writeln!(text, "|--|{}--|--|", "--:|".repeat(names.len()));
        for row in rows(case, &CONTROLLERS) {
            let goal = row.goal.map(bound).unwrap_or_default();
            let verdict = row.is_kept.map_or("", |kept| if kept { "reached" } else { "**missed**" });
            let _ = writeln!(text, "| {} | {} | {goal} | {verdict} |", label(row.figure), row.cells.join(" | "));
        }
        let _ = writeln!(text, "\n![{0}: rate and delay over time](qos/{0}.svg)", case.scenario.name);
    }
    text.push('\n');
    text
}

/// Means beside those of other implementations in another simulator.
fn elsewhere(cases: &[Case], text: &mut String) {
    let kinds: Vec<_> = CONTROLLERS.iter().copied().filter(|kind| ELSEWHERE[0].of(*kind).is_some()).collect();
    let names: Vec<_> = kinds.iter().map(|kind| title(*kind)).collect();
    let _ = writeln!(text, "\n| here (elsewhere) | {} |\n|--|{}", names.join(" | "), "--:|".repeat(names.len()));
    for known in ELSEWHERE {
        let Some(case) = cases.iter().find(|case| case.scenario.name == known.scenario) else { continue };
        let cell = |kind: &Controller| {
            let here = mean_cell(known.figure, &case.values(*kind, known.figure));
            format!("{here} ({})", known.of(*kind).unwrap_or_default())
        };
        let cells: Vec<_> = kinds.iter().map(cell).collect();
        let _ = writeln!(text, "| {}, {} | {} |", known.scenario, label(known.figure), cells.join(" | "));
    }
}

/// How the document calls a controller.
pub fn title(kind: Controller) -> &'static str {
    match kind {
        Controller::Gcc => "GCC",
        Controller::Nada => "NADA",
        Controller::Scream => "SCReAM v2",
        Controller::Conclave => "Conclave",
    }
}
