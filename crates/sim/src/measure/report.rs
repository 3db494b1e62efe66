//! Figures for people and for `target/bench/results.jsonl`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use serde_json::json;

/// One measured figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// What was measured, such as `cpu per packet`.
    pub metric: String,
    /// The figure.
    pub value: f64,
    /// Its unit, such as `us`.
    pub unit: &'static str,
}

impl Figure {
    /// A figure.
    pub fn new(metric: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self { metric: metric.into(), value, unit }
    }
}

/// Where figures are kept: one JSON object a line.
#[derive(Debug)]
pub struct Results {
    file: Option<File>,
}

impl Results {
    /// Appends to a file, whose folder is made; without one, figures are kept nowhere.
    ///
    /// # Errors
    /// If the file cannot be opened.
    pub fn to(path: Option<&Path>) -> io::Result<Self> {
        let Some(path) = path else { return Ok(Self { file: None }) };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        Ok(Self { file: Some(OpenOptions::new().create(true).append(true).open(path)?) })
    }

    /// Keeps a figure.
    pub fn keep(&mut self, bench: &str, case: &str, figure: &Figure) {
        let Figure { metric, value, unit } = figure;
        let line = json!({ "bench": bench, "case": case, "metric": metric, "value": value, "unit": unit });
        if let Some(file) = &mut self.file {
            // A figure that cannot be kept has been printed.
            let _ = writeln!(file, "{line}");
        }
    }
}

/// The middle one; `None` if there is none.
pub fn median(mut figures: Vec<f64>) -> Option<f64> {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied()
}
