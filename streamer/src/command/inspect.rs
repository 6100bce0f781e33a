//! `rain inspect`: what players are given of a title.

use super::ClientArguments;
use super::client::client;
use super::output::{print, print_line};
use crate::http::{InspectedDropped, InspectedFormat, InspectedTrack, Inspection};
use core::fmt::{self, Write as _};
use rain_titles::title;

pub(super) async fn run(name: String, arguments: ClientArguments) -> anyhow::Result<()> {
    title::check(&name)?;
    let client = client(&arguments)?;
    let path = format!("/api/v1/inspect/{}", title::to_path(&name));
    let (found, bytes) = client.ask_json::<Inspection>(&path).await?;
    if arguments.json {
        return print_line(String::from_utf8_lossy(&bytes));
    }
    let mut text = String::new();
    write_inspection(&mut text, &found)?;
    print(&text)
}

fn write_inspection(text: &mut String, found: &Inspection) -> fmt::Result {
    writeln!(text, "{}", found.title)?;
    writeln!(text, "  {} bytes, {:.3} s, edition {}", found.bytes, found.duration_s, found.edition)?;
    for track in &found.tracks {
        write_track(text, track)?;
    }
    for InspectedDropped { id, entry, why } in &found.dropped {
        writeln!(text, "  left out: track {id} of the file, {entry}: {why}")?;
    }
    Ok(())
}

fn write_track(text: &mut String, track: &InspectedTrack) -> fmt::Result {
    let language = track.language.as_deref().map(|language| format!(", {language}")).unwrap_or_default();
    let format = match &track.format {
        InspectedFormat::Video { width, height, pictures_per_second } => {
            format!("{width}x{height}, {pictures_per_second} pictures/s")
        }
        InspectedFormat::Audio { channels: 1, rate } => format!("1 channel, {rate} Hz"),
        InspectedFormat::Audio { channels, rate } => format!("{channels} channels, {rate} Hz"),
    };
    writeln!(text, "  t{}: {}{language}, {format}", track.number, track.codec)?;
    writeln!(
        text,
        "      {:.3} s, {} samples, {} kbit/s, at most {}",
        track.duration_s,
        track.samples,
        track.bits_per_second / 1000,
        track.bits_per_second_max / 1000
    )?;
    writeln!(text, "      {} segments of {:.3} to {:.3} s", track.segments, track.segment_s_min, track.segment_s_max)?;
    if let Some(edit) = &track.edit {
        let rest = edit.duration_s.map_or_else(|| "its end".to_owned(), |seconds| format!("{seconds:.3} s later"));
        writeln!(
            text,
            "      edit list: after {:.3} s, from {:.3} s of its media to {rest}",
            edit.delay_s, edit.start_s
        )?;
    }
    Ok(())
}
