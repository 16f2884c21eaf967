//! Test support: generated traffic whose counts are known beforehand.

mod random;
pub mod traffic;

pub use random::Random;
