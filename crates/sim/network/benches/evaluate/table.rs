//! Means and worst seeds, controllers side by side.

use conclave_network::{Controller, Figure};

use super::Case;
use super::goals::{self, Bound, Goal};
use super::results::Results;

/// A line: a figure of a scenario.
pub struct Row {
    pub figure: Figure,
    /// For each controller: mean and worst.
    pub cells: Vec<String>,
    pub goal: Option<&'static Goal>,
    /// Whether the own controller keeps the goal; `None` where there is none, or it was not asked.
    pub is_kept: Option<bool>,
}

/// The lines of a scenario: figures that it has a place for.
pub fn rows(case: &Case, kinds: &[Controller]) -> Vec<Row> {
    let figures =
        Figure::ALL.into_iter().filter(|figure| kinds.iter().any(|kind| !case.values(*kind, *figure).is_empty()));
    figures
        .map(|figure| {
            let cells = kinds.iter().map(|kind| cell(figure, &case.values(*kind, figure))).collect();
            let goal = goals::of(case.scenario.name).find(|goal| goal.figure == figure);
            let own = case.values(Controller::Conclave, figure);
            let is_kept = goal.filter(|_| !own.is_empty()).map(|goal| goal.is_kept(&own));
            Row { figure, cells, goal, is_kept }
        })
        .collect()
}

/// How the table calls a figure, with its unit.
pub fn label(figure: Figure) -> String {
    match figure.unit() {
        "ratio" if figure == Figure::Fairness => figure.name().to_owned(),
        "ratio" => format!("{}, %", figure.name()),
        unit => format!("{}, {unit}", figure.name()),
    }
}

/// What is wanted, in the units of the table.
pub fn bound(goal: &Goal) -> String {
    let number = |value| number(goal.figure, value);
    match goal.bound {
        Bound::AtLeast(bound) => format!("≥ {}", number(bound)),
        Bound::AlwaysAtLeast(bound) => format!("≥ {} always", number(bound)),
        Bound::AtMost(bound) => format!("≤ {}", number(bound)),
        Bound::Between(low, high) => format!("{} to {}", number(low), number(high)),
    }
}

/// Prints all.
pub fn print(cases: &[Case], kinds: &[Controller]) {
    let (mut kept, mut goals) = (0, 0);
    for case in cases {
        println!("\n{}: {}", case.scenario.name, case.scenario.title);
        print!("  {:<24}", "mean (worst)");
        kinds.iter().for_each(|kind| print!("{:>18}", kind.name()));
        println!("  wanted of conclave");
        for row in rows(case, kinds) {
            print!("  {:<24}", label(row.figure));
            row.cells.iter().for_each(|cell| print!("{cell:>18}"));
            let goal = row.goal.map(bound).unwrap_or_default();
            let verdict = row.is_kept.map_or("", |kept| if kept { "reached" } else { "MISSED" });
            println!("  {goal:<14} {verdict}");
            goals += u32::from(row.is_kept.is_some());
            kept += u32::from(row.is_kept == Some(true));
        }
    }
    println!("\n{kept} of {goals} goals reached");
}

/// Appends all to the file of results: means, and worst seeds.
pub fn keep(cases: &[Case], kinds: &[Controller]) {
    let mut results = Results::open();
    for case in cases {
        for kind in kinds {
            for figure in Figure::ALL {
                let values = case.values(*kind, figure);
                if values.is_empty() {
                    continue;
                }
                let name = format!("{}, {}", case.scenario.name, kind.name());
                results.add(&name, figure.name(), mean(&values), figure.unit());
                results.add(&name, &format!("{}, worst seed", figure.name()), worst(figure, &values), figure.unit());
            }
        }
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

fn worst(figure: Figure, values: &[f64]) -> f64 {
    let choose = if figure.is_better_high() { f64::min } else { f64::max };
    values.iter().copied().reduce(choose).unwrap_or(f64::NAN)
}

/// The mean alone.
pub fn mean_cell(figure: Figure, values: &[f64]) -> String {
    let never = values.iter().filter(|value| value.is_infinite()).count();
    if never > 0 { format!("never in {never} of {}", values.len()) } else { number(figure, mean(values)) }
}

fn cell(figure: Figure, values: &[f64]) -> String {
    let never = values.iter().filter(|value| value.is_infinite()).count();
    if values.is_empty() {
        String::new()
    } else if never == values.len() {
        "never".to_owned()
    } else if never > 0 {
        format!("never in {never} of {}", values.len())
    } else {
        format!("{} ({})", number(figure, mean(values)), number(figure, worst(figure, values)))
    }
}

fn number(figure: Figure, value: f64) -> String {
    match figure {
        Figure::Loss => format!("{:.2}", value * 100.0),
        Figure::Fairness => format!("{value:.3}"),
        Figure::Utilisation => format!("{:.2}", value * 100.0),
        Figure::MediaShare | Figure::TcpShare => format!("{:.1}", value * 100.0),
        _ if figure.unit() == "ms" => format!("{value:.0}"),
        _ => format!("{value:.1}"),
    }
}
