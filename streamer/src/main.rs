//! The program `rain`.
#![forbid(unsafe_code)]

use rain_streamer::command;
use std::process::ExitCode;

fn main() -> ExitCode {
    command::main()
}
