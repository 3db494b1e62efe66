//! The conference as a whole, in virtual time.
#![allow(clippy::unwrap_used, reason = "a test fails where it is")]

mod crowd;
mod hearing;
mod hostile;
mod late;
mod layers;
mod moving;
mod redundancy;
mod scalable;
mod slots;
mod steadiness;
mod svc;
mod wishes;
mod world;
