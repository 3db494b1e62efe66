//! RFC vectors and behaviour.
