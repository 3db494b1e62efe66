//! Figures as JSON, one object a line.
#![allow(clippy::disallowed_types, reason = "a bench keeps its figures in a file")]

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;

/// Appends to `target/bench/results.jsonl` of the workspace; prints only where that cannot be written.
pub struct Results {
    bench: &'static str,
    file: Option<File>,
}

impl Results {
    pub fn open(bench: &'static str) -> Self {
        let target = std::env::var_os("CARGO_TARGET_DIR")
            .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target")), PathBuf::from);
        let folder = target.join("bench");
        let file = std::fs::create_dir_all(&folder)
            .and_then(|()| OpenOptions::new().create(true).append(true).open(folder.join("results.jsonl")))
            .inspect_err(|error| eprintln!("results are not kept: {error}"))
            .ok();
        Self { bench, file }
    }

    pub fn add(&mut self, case: &str, metric: &str, value: f64, unit: &str) {
        let Some(file) = &mut self.file else { return };
        let bench = self.bench;
        let line = format!(
            "{{\"bench\": \"{bench}\", \"case\": \"{case}\", \"metric\": \"{metric}\", \"value\": {value:.4}, \"unit\": \"{unit}\"}}\n"
        );
        if let Err(error) = file.write_all(line.as_bytes()) {
            eprintln!("results are not kept: {error}");
            self.file = None;
        }
    }
}
