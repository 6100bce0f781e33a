//! What ffprobe says.

use crate::run;
use std::path::Path;
use std::process::Command;

/// A track.
pub(crate) struct Stream {
    pub(crate) id: u32,
    seconds_of_tick: f64,
}

/// A sample.
#[derive(Debug)]
pub(crate) struct Packet {
    pub(crate) pts: i64,
    pub(crate) dts: i64,
    pub(crate) bytes: u64,
    pub(crate) is_key: bool,
    pub(crate) hash: String,
}

impl Packet {
    pub(crate) fn pts_s(&self, of: &Stream) -> f64 {
        self.pts as f64 * of.seconds_of_tick
    }
}

fn ffprobe(path: &Path) -> Command {
    let mut command = Command::new("ffprobe");
    command.args(["-v", "error", "-of", "default=noprint_wrappers=0:nokey=0"]).arg(path);
    command
}

/// The values of each section of a printed list.
fn sections(printed: &str, name: &str) -> Vec<Vec<(String, String)>> {
    let (open, close) = (format!("[{name}]\n"), format!("[/{name}]"));
    let sections = printed.split(&open).skip(1).map(|section| section.split(&close).next().unwrap());
    let pairs = |section: &str| {
        section
            .lines()
            .filter_map(|line| line.split_once('='))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect()
    };
    sections.map(pairs).collect()
}

fn value<'a>(section: &'a [(String, String)], key: &str) -> &'a str {
    &section.iter().find(|(found, _)| found == key).unwrap_or_else(|| panic!("no {key} in {section:?}")).1
}

/// The tracks of a file, in its order.
pub(crate) fn streams(path: &Path) -> Vec<Stream> {
    let printed = run(ffprobe(path).args(["-show_entries", "stream=id,time_base"]));
    let stream = |section: Vec<(String, String)>| {
        let id = u32::from_str_radix(value(&section, "id").trim_start_matches("0x"), 16).unwrap();
        let (ticks, per) = value(&section, "time_base").split_once('/').unwrap();
        Stream { id, seconds_of_tick: ticks.parse::<f64>().unwrap() / per.parse::<f64>().unwrap() }
    };
    sections(&printed, "STREAM").into_iter().map(stream).collect()
}

/// The samples of the track at `place`, in order of decoding.
pub(crate) fn packets(path: &Path, place: usize, ignores_edits: bool) -> Vec<Packet> {
    let mut command = ffprobe(path);
    command.args(["-select_streams", &place.to_string(), "-show_data_hash", "crc32"]);
    command.args(["-show_entries", "packet=pts,dts,size,flags,data_hash"]);
    command.args(["-ignore_editlist", if ignores_edits { "1" } else { "0" }]);
    let packet = |section: Vec<(String, String)>| Packet {
        pts: value(&section, "pts").parse().unwrap(),
        dts: value(&section, "dts").parse().unwrap(),
        bytes: value(&section, "size").parse().unwrap(),
        is_key: value(&section, "flags").starts_with('K'),
        hash: value(&section, "data_hash").to_owned(),
    };
    sections(&run(&mut command), "PACKET").into_iter().map(packet).collect()
}
