//! Arguments in, exit code out.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// The C library's takes a fifth of the CPU time that a request costs, more where several threads
/// allocate at once.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    postern::cli::main()
}
