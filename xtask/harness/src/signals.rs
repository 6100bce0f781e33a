//! What was started and made goes also when this process is interrupted.

use std::{io, process, thread};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::folder;

/// Lets SIGINT, SIGTERM and SIGHUP end what was started and remove what was made, before they end this process.
///
/// # Errors
/// The system's.
pub fn clean_up_on_signals() -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            crate::process::end_all();
            folder::remove_all();
            process::exit(128 + signal);
        }
    });
    Ok(())
}
