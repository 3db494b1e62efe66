//! Figures for people and for `target/bench/results.jsonl`.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::Path;

use crate::load::{Load, Measured};

pub struct Report {
    file: Option<File>,
}

impl Report {
    pub fn new() -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/bench");
        let _ = fs::create_dir_all(&folder);
        let file = OpenOptions::new().create(true).append(true).open(folder.join("results.jsonl")).ok();
        println!("{:<42} {:>14} {:>14} {:>8}   {:>12}", "relaying", "conclave", "coturn", "ratio", "lost");
        Self { file }
    }

    /// Packets for each second of processor time; the median of the runs.
    pub fn throughput(&mut self, load: &Load, ours: Vec<Measured>, theirs: Vec<Measured>) {
        let lost = [&ours, &theirs].map(|runs| {
            let worst = runs.iter().map(Measured::lost).fold(0.0, f64::max);
            format!("{:.1}%", worst * 100.0)
        });
        let [ours, theirs] = [ours, theirs].map(|runs| median(runs.iter().map(Measured::packets_per_second).collect()));
        let case = load.to_string();
        self.row(&case, "packets per CPU-second", ours, theirs, &lost.join(" / "));
    }

    /// Bytes for each of `count`.
    pub fn memory(&mut self, what: &str, count: usize, ours: Option<f64>, theirs: Option<f64>) {
        self.row(&format!("memory: {what}, of {count}"), "bytes", ours, theirs, "");
    }

    pub fn finish(self) {
        println!("packets per CPU-second: more is better; bytes: less is better; ratio: conclave / coturn");
    }

    fn row(&mut self, case: &str, unit: &str, ours: Option<f64>, theirs: Option<f64>, note: &str) {
        let shown = |figure: Option<f64>| figure.map_or("-".to_owned(), |figure| format!("{figure:.0}"));
        let ratio = ours.zip(theirs).map(|(ours, theirs)| ours / theirs);
        let ratio_shown = ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.2}"));
        println!("{case:<42} {:>14} {:>14} {ratio_shown:>8}   {note:>12}", shown(ours), shown(theirs));
        for (metric, figure, unit) in
            [("conclave", ours, unit), ("coturn", theirs, unit), ("ratio", ratio, "conclave/coturn")]
        {
            let (Some(figure), Some(file)) = (figure, &mut self.file) else { continue };
            let line = format!(
                r#"{{"bench":"relay","case":"{case}","metric":"{metric}","value":{figure:.3},"unit":"{unit}"}}"#
            );
            // A figure that cannot be kept has been printed.
            let _ = writeln!(file, "{line}");
        }
    }
}

fn median(mut figures: Vec<f64>) -> Option<f64> {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied()
}
