//! The laboratory that this program runs in: its control, its nodes, and what they say of their paths.

use std::cell::RefCell;
use std::env;
use std::io::{self, BufRead, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rain_harness::{Server, ask};
use serde_json::Value;

/// Between two looks at the nodes.
const LOOK: Duration = Duration::from_millis(20);

/// A laboratory, seen from the viewers' network.
#[derive(Debug)]
pub(super) struct Laboratory {
    control: RefCell<BufReader<UnixStream>>,
    names: Vec<String>,
    servers: Vec<Server>,
    pub(super) switches: usize,
}

/// When a part was changed: the monotonic clock before and after it, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Changed {
    pub(super) before_us: u64,
    pub(super) after_us: u64,
}

/// Which end of which path: the node that watches, the node at the other end, the switch; all counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) at: usize,
    pub(super) to: usize,
    pub(super) switch: usize,
}

/// What a node says of one of its paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct End {
    pub(super) place: Place,
    pub(super) is_up: bool,
    /// Since when, by the monotonic clock.
    pub(super) since_us: u64,
    /// How often it went down since the node began.
    pub(super) downs: u64,
    /// When it last did, by the same clock.
    pub(super) down_us: Option<u64>,
    /// Silence of so many microseconds is a Down.
    pub(super) timeout_us: u64,
}

/// When the thread of a node that watches paths was held up: when its timer was due and when it woke, in microseconds of
/// the monotonic clock.
pub(super) type HeldUp = Vec<[u64; 2]>;

fn variable(name: &str) -> io::Result<String> {
    env::var(name).map_err(|error| io::Error::other(format!("{name}: {error}: run this by `cargo xtask lab measure`")))
}

impl Laboratory {
    /// Finds it by the environment.
    pub(super) fn find() -> io::Result<Self> {
        let token = Some(variable("RAIN_LAB_TOKEN")?);
        let server = |url: &str| {
            let address = url.strip_prefix("http://").unwrap_or(url).parse().map_err(io::Error::other)?;
            Ok(Server { address, token: token.clone() })
        };
        Ok(Self {
            control: RefCell::new(BufReader::new(UnixStream::connect(variable("RAIN_LAB")?)?)),
            names: variable("RAIN_LAB_NODES")?.split(',').map(str::to_owned).collect(),
            servers: variable("RAIN_SERVER")?.split(',').map(server).collect::<io::Result<_>>()?,
            switches: variable("RAIN_LAB_SWITCHES")?.parse().map_err(io::Error::other)?,
        })
    }

    /// How many nodes it has.
    pub(super) fn nodes(&self) -> usize {
        self.servers.len()
    }

    /// The name of a node.
    pub(super) fn name(&self, node: usize) -> &str {
        &self.names[node]
    }

    /// Where a node serves players.
    pub(super) fn server(&self, node: usize) -> &Server {
        &self.servers[node]
    }

    fn tell(&self, line: &str) -> io::Result<String> {
        let mut control = self.control.borrow_mut();
        writeln!(control.get_mut(), "{line}")?;
        let mut answer = String::new();
        control.read_line(&mut answer)?;
        let refused = || io::Error::other(format!("`{line}`: the laboratory answered {answer:?}"));
        answer.trim_end().strip_prefix("ok ").map(str::to_owned).ok_or_else(refused)
    }

    /// Changes a part: `switch s1 cut`.
    pub(super) fn change(&self, words: &str) -> io::Result<Changed> {
        let answer = self.tell(words)?;
        let mut numbers = answer.split(' ').map_while(|word| word.parse().ok());
        let changed = numbers.next().zip(numbers.next());
        let changed = changed.map(|(before_us, after_us)| Changed { before_us, after_us });
        changed.ok_or_else(|| io::Error::other(format!("`{words}`: found {answer:?}, expected two times")))
    }

    /// The process ids of the nodes.
    pub(super) fn processes(&self) -> io::Result<Vec<u32>> {
        let answer = self.tell("ids")?;
        let ids = answer.split(' ').filter_map(|word| word.split_once('=')?.1.parse().ok());
        Ok(ids.collect())
    }

    /// When a node was held up lately; it tells of some dozens of times at most.
    pub(super) fn held_up(&self, at: usize) -> io::Result<HeldUp> {
        let cluster: Value = serde_json::from_slice(&ask(&self.servers[at], "/api/v1/cluster")?)?;
        let spans = cluster["held_up_us"].as_array().into_iter().flatten();
        Ok(spans.filter_map(|span| Some([span[0].as_u64()?, span[1].as_u64()?])).collect())
    }

    /// What a node says of its paths.
    pub(super) fn ends(&self, at: usize) -> io::Result<Vec<End>> {
        let cluster: Value = serde_json::from_slice(&ask(&self.servers[at], "/api/v1/cluster")?)?;
        let ends: Option<Vec<End>> =
            cluster["paths"].as_array().map(|paths| paths.iter().filter_map(|path| self.end(at, path)).collect());
        let ends = ends.filter(|ends| ends.len() == (self.nodes() - 1) * self.switches);
        ends.ok_or_else(|| io::Error::other(format!("node {} tells of other paths than it has", self.name(at))))
    }

    fn end(&self, at: usize, path: &Value) -> Option<End> {
        let to = self.names.iter().position(|name| path["to"] == name.as_str())?;
        let switch: usize = path["switch"].as_str()?.strip_prefix('s')?.parse().ok()?;
        let place = Place { at, to, switch: switch.checked_sub(1)? };
        let (since_us, downs) = (path["since_us"].as_u64()?, path["downs"].as_u64()?);
        let (down_us, timeout_us) = (path["down_us"].as_u64(), path["timeout_us"].as_u64()?);
        Some(End { place, is_up: path["state"] == "up", since_us, downs, down_us, timeout_us })
    }

    /// What all nodes but one say.
    pub(super) fn all_ends(&self, without: Option<usize>) -> io::Result<Vec<End>> {
        let asked = (0..self.nodes()).filter(|node| Some(*node) != without);
        Ok(asked.map(|node| self.ends(node)).collect::<io::Result<Vec<_>>>()?.concat())
    }

    /// Asks all nodes but one until all that they say is as wanted; what they say then, or in the end.
    pub(super) fn wait(
        &self,
        without: Option<usize>,
        patience: Duration,
        is_wanted: impl Fn(&[End]) -> bool,
    ) -> io::Result<(bool, Vec<End>)> {
        let until = Instant::now() + patience;
        loop {
            // A node that is being started does not answer yet.
            let ends = self.all_ends(without);
            match ends {
                Ok(ends) if is_wanted(&ends) => return Ok((true, ends)),
                Ok(ends) if Instant::now() > until => return Ok((false, ends)),
                Err(error) if Instant::now() > until => return Err(error),
                _ => sleep(LOOK),
            }
        }
    }
}
