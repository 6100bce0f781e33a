//! Films that players play.

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rain_benches::rain_program;
use rain_harness::Process;

/// Makes a test picture with a tone, as fragments of a second each.
///
/// H.264 at a constant 8 Mbit/s of a small picture: what browser and kernel hold back beside a player's own buffer is less of
/// it in seconds the more bytes a second has.
///
/// # Errors
/// There is no ffmpeg, or it fails.
pub(crate) fn make(film: &Path, seconds: u32) -> io::Result<()> {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-nostdin", "-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25"]);
    command.args(["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000", "-t", &seconds.to_string()]);
    command.args(["-c:v", "libx264", "-profile:v", "baseline", "-level", "3.1", "-preset", "ultrafast"]);
    command.args(["-pix_fmt", "yuv420p", "-g", "25", "-keyint_min", "25", "-sc_threshold", "0"]);
    // A constant rate: filled up where the picture does not need it.
    command.args(["-b:v", "8M", "-minrate", "8M", "-maxrate", "8M", "-bufsize", "8M"]);
    command.args(["-x264-params", "nal-hrd=cbr:force-cfr=1", "-c:a", "aac", "-b:a", "128k"]);
    command.args(["-movflags", "+frag_keyframe+empty_moov+default_base_moof"]).arg(film);
    let status = Process::start(command.stdin(Stdio::null()))?.wait(Duration::from_mins(5))?;
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("ffmpeg: {status}"))) }
}

/// Stores a film under a title at a server.
///
/// # Errors
/// It is refused.
pub(crate) fn put(film: &Path, title: &str, server: &str) -> io::Result<()> {
    let mut put = Command::new(rain_program()?);
    put.arg("put").arg(film).args([title, "--server", server]).stdin(Stdio::null()).stdout(Stdio::null());
    let status = Process::start(&mut put)?.wait(Duration::from_mins(2))?;
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("rain put: {status}"))) }
}
