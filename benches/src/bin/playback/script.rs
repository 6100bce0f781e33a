//! Scripts that drive a browser: those of `xtask/browser`.

use std::io::{self, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rain_harness::Process;

/// A script ends this soon after it has closed its output.
const END: Duration = Duration::from_secs(10);

/// Runs a script to its end and gives what it printed.
///
/// # Errors
/// It cannot be started, or fails.
pub(crate) fn run(script: &str, arguments: &[&str]) -> io::Result<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../xtask/browser");
    let mut command = Command::new("node");
    command.arg(script).args(arguments).current_dir(folder).stdin(Stdio::null()).stdout(Stdio::piped());
    let running = Process::start(&mut command)?;
    let mut output = String::new();
    if let Some(mut stdout) = running.take_stdout() {
        stdout.read_to_string(&mut output)?;
    }
    let status = running.wait(END)?;
    if status.success() { Ok(output) } else { Err(io::Error::other(format!("{script}: {status}"))) }
}
