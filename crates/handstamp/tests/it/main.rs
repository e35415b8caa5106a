//! The library, from outside.

mod conformance;
