//! Everything that can be tested from outside, in one binary.

mod exploration;
