//! The room by its inputs and outputs alone, in virtual time.

// In a test a failed `unwrap` is the failure that the test reports, in its helpers as well.
#![allow(clippy::unwrap_used)]

mod chat;
mod entry;
mod large;
mod legs;
mod mirror;
mod people;
mod permissions;
mod poison;
mod properties;
mod resume;
mod stage;
mod streams;
mod topology;
