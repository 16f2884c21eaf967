//! Test support: generated traffic whose counts are known beforehand, disks that fail.

mod disk;
mod random;
pub mod traffic;

pub use disk::failing_sync;
pub use random::Random;
