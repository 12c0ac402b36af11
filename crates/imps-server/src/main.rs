//! `hamlet`: the server, and the operator's commands.
//!
//! Invariant: nothing here knows a primitive or an encoding; the parts are put together in `wire`, and asked in `command`.

mod backup;
mod broadcast;
mod channels;
mod cli;
mod command;
mod config;
mod control;
mod doctor;
mod federation;
mod group;
mod guests;
mod jsonl;
mod key;
mod limits;
mod pages;
mod serve;
mod wire;

use std::process::ExitCode;

// Many small buffers of many threads live and die here; the system's allocator keeps more memory for them and is slower.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::main()
}
