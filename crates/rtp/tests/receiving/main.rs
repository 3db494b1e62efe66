//! The receiving half of a leg, fed with packets as they come out of SRTP, in virtual time.
#![allow(missing_docs)]

mod binding;
mod missing;
mod property;
mod reports;
mod sequence;
mod world;
