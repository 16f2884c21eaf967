//! The `flyball` command.

use std::process::ExitCode;

use tikv_jemallocator::Jemalloc;

/// A server runs for months, and takes a lot of memory for moments: joining files, large requests. The
/// system's allocator keeps what such a moment took.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    flyball::run(std::env::args_os()).into()
}
