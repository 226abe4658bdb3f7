//! The command line: one binary with roles. What a role does stands in `cli/`.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    mendline::cli::run(mendline::cli::Cli::parse())
}
