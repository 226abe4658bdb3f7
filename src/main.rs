//! The command line: one binary with roles. What a role does stands in `cli/`.

use std::process::ExitCode;

use clap::Parser;

/// A send allocates a few dozen small things on one thread and frees many of them on another.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    mendline::cli::run(mendline::cli::Cli::parse())
}
