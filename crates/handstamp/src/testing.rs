//! A store that misbehaves on purpose, for tests of what is built on a store.

mod faulty;

pub use faulty::{Faults, Faulty};
