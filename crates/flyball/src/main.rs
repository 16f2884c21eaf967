//! The `flyball` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    flyball::run(std::env::args_os()).into()
}
