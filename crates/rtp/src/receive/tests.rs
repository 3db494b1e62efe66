//! Behaviour of the receiving half.
