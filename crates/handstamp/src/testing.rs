//! A store that misbehaves on purpose, and one that counts, for tests of what is built on a store.

mod counting;
mod faulty;

pub use counting::Counting;
pub use faulty::{Faults, Faulty};
