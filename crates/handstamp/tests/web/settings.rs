//! Settings that fit together, and others.
