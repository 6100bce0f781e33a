//! Which machine and which build a result holds for.

use std::fs;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use rain_codec::Kernel;
use serde_json::{Value, json};

/// The machine, the build and the day of a measurement.
#[derive(Clone, Debug)]
pub struct Machine {
    /// The processor as it names itself, with family and model where it has them.
    pub cpu: String,
    /// The instruction set that the kernels use.
    pub instruction_set: &'static str,
    /// The commit, with "+changes" behind it when the working copy is not clean.
    pub commit: String,
    /// The compiler.
    pub rustc: String,
    /// The day, in UTC.
    pub date: String,
}

impl Machine {
    /// Asks the machine it runs on. What cannot be found out is "unknown".
    pub fn detect() -> Self {
        let dirty = output("git", &["status", "--porcelain"]).is_none_or(|changes| !changes.is_empty());
        let commit = output("git", &["rev-parse", "--short=12", "HEAD"]).unwrap_or_else(unknown);
        Self {
            cpu: cpu().unwrap_or_else(unknown),
            instruction_set: Kernel::detect().name(),
            commit: if dirty { commit + "+changes" } else { commit },
            rustc: output("rustc", &["--version"]).unwrap_or_else(unknown),
            date: today(),
        }
    }

    /// Gives the processor's name as a folder may have it: lower case, runs of anything else as one dash.
    pub fn slug(&self) -> String {
        let words = self.cpu.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
        words.map(str::to_ascii_lowercase).collect::<Vec<_>>().join("-")
    }

    /// Gives it as a record has it.
    pub fn to_json(&self) -> Value {
        json!({
            "cpu": self.cpu,
            "instruction_set": self.instruction_set,
            "commit": self.commit,
            "rustc": self.rustc,
            "date": self.date,
        })
    }
}

fn unknown() -> String {
    "unknown".to_owned()
}

fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}

fn cpu() -> Option<String> {
    let info = fs::read_to_string("/proc/cpuinfo").ok()?;
    let field = |wanted: &str| {
        let mut fields = info.lines().filter_map(|line| line.split_once(':'));
        fields.find(|(name, _)| name.trim() == wanted).map(|(_, value)| value.trim().to_owned())
    };
    let name = field("model name")?;
    Some(match (field("cpu family"), field("model")) {
        (Some(family), Some(model)) => format!("{name} family {family} model {model}"),
        _ => name,
    })
}

fn today() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (year, month, day) = civil(seconds / 86400);
    format!("{year:04}-{month:02}-{day:02}")
}

/// The date of a day counted from 1970-01-01, by walking years and months: this is called once.
fn civil(mut day: u64) -> (u64, u64, u64) {
    let mut year = 1970;
    let is_leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    while day >= 365 + u64::from(is_leap(year)) {
        day -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let lengths = [31, 28 + u64::from(is_leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 1;
    for length in lengths {
        if day < length {
            break;
        }
        day -= length;
        month += 1;
    }
    (year, month, day + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_as_dates() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(789), (1972, 2, 29));
        assert_eq!(civil(10_956), (1999, 12, 31));
        assert_eq!(civil(11_016), (2000, 2, 29));
        assert_eq!(civil(11_017), (2000, 3, 1));
    }

    #[test]
    fn slugs() {
        let mut machine = Machine::detect();
        machine.cpu = "Some(R) CPU @ 3.50GHz".to_owned();
        assert_eq!(machine.slug(), "some-r-cpu-3-50ghz");
    }
}
