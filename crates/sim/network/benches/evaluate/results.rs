//! Figures as JSON, one object a line: the same fields as those of the other benches.
#![allow(clippy::disallowed_types, reason = "a bench keeps its figures in a file")]

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write as _};
use std::path::PathBuf;

/// Appends to `target/bench/results.jsonl` of the workspace; prints only where that cannot be written.
pub struct Results {
    file: Option<BufWriter<File>>,
}

impl Results {
    pub fn open() -> Self {
        let target = std::env::var_os("CARGO_TARGET_DIR")
            .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../target")), PathBuf::from);
        let folder = target.join("bench");
        let file = std::fs::create_dir_all(&folder)
            .and_then(|()| OpenOptions::new().create(true).append(true).open(folder.join("results.jsonl")))
            .inspect_err(|error| eprintln!("results are not kept: {error}"))
            .ok();
        Self { file: file.map(BufWriter::new) }
    }

    /// What is not finite is written as null: JSON has no infinity.
    pub fn add(&mut self, case: &str, metric: &str, value: f64, unit: &str) {
        let Some(file) = &mut self.file else { return };
        let value = if value.is_finite() { format!("{value:.4}") } else { "null".to_owned() };
        let line = writeln!(
            file,
            "{{\"bench\": \"qos-evaluation\", \"case\": \"{case}\", \"metric\": \"{metric}\", \"value\": {value}, \"unit\": \"{unit}\"}}"
        );
        if let Err(error) = line {
            eprintln!("results are not kept: {error}");
            self.file = None;
        }
    }
}
