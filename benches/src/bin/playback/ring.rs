//! Eight nodes on a ring of eight switches: three switches are cut, every three of them, and whoever is still connected to
//! enough columns must be able to read.
//!
//! Who that is is found out here from the drawing of the ring alone, not from what the product believes.

use std::collections::BTreeSet;
use std::io;
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use rain_benches::{Demo, Trace, free_ports, put_content};
use rain_harness::get_within;
use serde_json::{Value, json};

use crate::counters::wait_until_up;
use crate::kind::{Random, node_name};
use crate::settings::{RING, Settings, ms};
use crate::viewer::wrong_bytes;

const SIZE: usize = 8;
/// Columns that give a title back: `b-code:8` is read while any six are left.
const ENOUGH: usize = 6;
/// What is being read when the switches are cut: three times what a node reads ahead.
const LONG: (&str, u64) = ("ring-long", 24_000_000);
/// What is asked for afterwards.
const SHORT: (&str, u64) = ("ring-short", 4_000_000);
/// The switches are cut when the long title has been read for so long, and up to so much longer.
const CUT_MS: u64 = 30;
const CUT_MORE_MS: u64 = 150;
/// A viewer that can read has read everything after so long, and never waits longer than that for a byte.
const DEADLINE: Duration = Duration::from_secs(5);
const HEAL_PATIENCE: Duration = Duration::from_secs(20);
const TRIPLES_FEW: usize = 8;

/// The two switches of a node, counted from 0.
const fn switches_of(node: usize) -> [usize; 2] {
    [node, (node + SIZE / 2 + 1) % SIZE]
}

/// Every three of the switches.
fn triples() -> Vec<[usize; 3]> {
    let all = (0..SIZE).flat_map(|one| (one + 1..SIZE).map(move |two| (one, two)));
    all.flat_map(|(one, two)| (two + 1..SIZE).map(move |three| [one, two, three])).collect()
}

/// The nodes that are connected to each other when switches are cut.
fn components(cut: &[usize]) -> Vec<Vec<usize>> {
    // Nodes are 0 to 7, switches 8 to 15; each points at another one of its component, or at itself.
    let mut parents: Vec<usize> = (0..2 * SIZE).collect();
    let root = |parents: &[usize], mut at: usize| {
        while parents[at] != at {
            at = parents[at];
        }
        at
    };
    let lives = |switch: &usize| !cut.contains(switch);
    let cables = (0..SIZE).flat_map(|node| switches_of(node).map(|switch| (node, switch)));
    let ring = (0..SIZE).map(|switch| (switch, (switch + 1) % SIZE));
    let cables = cables.filter(|(_, switch)| lives(switch)).map(|(node, switch)| (node, SIZE + switch));
    let ring = ring.filter(|(one, other)| lives(one) && lives(other)).map(|(one, other)| (SIZE + one, SIZE + other));
    for (one, other) in cables.chain(ring) {
        let (one, other) = (root(&parents, one), root(&parents, other));
        parents[one] = other;
    }
    let roots: BTreeSet<usize> = (0..SIZE).map(|node| root(&parents, node)).collect();
    let members = |of: usize| (0..SIZE).filter(|node| root(&parents, *node) == of).collect();
    roots.into_iter().map(members).collect()
}

/// Cuts three switches after three switches. Gives what must not be and was.
pub(crate) fn run(settings: &Settings, trace: &mut Trace) -> io::Result<Vec<String>> {
    let demo = Demo::start(free_ports(settings.port, 20)?, &["--topology", "ring:8"])?;
    let mut complaints = Vec::new();
    if let Err(other) = is_drawn(&demo.cluster()?) {
        complaints.push(other);
    }
    for (title, bytes) in [LONG, SHORT] {
        put_content(demo.port(0), title, bytes, settings.seed)?;
    }
    let everyone: Vec<usize> = (0..SIZE).collect();
    wait_until_up(&demo, &everyone, HEAL_PATIENCE);
    let mut random = Random::new(settings.seed);
    let mut triples = triples();
    if settings.correctness_only {
        triples = random.shuffled(triples);
        triples.truncate(TRIPLES_FEW);
    }
    for cut in triples {
        let names = cut.map(|switch| format!("s{}", switch + 1));
        let moment = Duration::from_millis(CUT_MS + random.below(CUT_MORE_MS));
        let (injected, streamed) = read_everywhere(&demo, LONG, settings.seed, || {
            sleep(moment);
            names.iter().try_for_each(|name| demo.fault("switch", name, "cut"))
        });
        let ((), asked) = read_everywhere(&demo, SHORT, settings.seed, || ());
        let healed = names.iter().map(|name| demo.fault("switch", name, "heal")).fold(Ok(()), io::Result::and);
        injected.and(healed)?;
        let up = wait_until_up(&demo, &everyone, HEAL_PATIENCE);
        let components = components(&cut);
        let must = |node: usize| components.iter().any(|members| members.contains(&node) && members.len() >= ENOUGH);
        let mut missed = Vec::new();
        for (node, read) in streamed.iter().enumerate().chain(asked.iter().enumerate()) {
            if read.wrong_bytes > 0 {
                complaints.push(format!("{names:?} cut: {} wrong bytes at {}", read.wrong_bytes, node_name(node)));
            }
            if let (Err(error), true) = (&read.whole, must(node)) {
                missed.push(node_name(node));
                complaints.push(format!("{names:?} cut: {} cannot read: {error}", node_name(node)));
            }
        }
        if up.is_none() {
            complaints.push(format!("{names:?} healed: not everything came up again"));
        }
        let members = components.iter().map(|nodes| nodes.iter().copied().map(node_name).collect::<String>());
        let read = |(node, (streamed, asked)): (usize, (&Read, &Read))| {
            let after = |read: &Read| read.whole.as_ref().ok().map(|time| ms(*time));
            json!({ "node": node_name(node), "must": must(node), "stream_ms": after(streamed), "read_ms": after(asked) })
        };
        let line = json!({
            "kind": RING, "cut": names, "cut_after_ms": ms(moment), "components": members.collect::<Vec<_>>(),
            "reads": streamed.iter().zip(&asked).enumerate().map(read).collect::<Vec<_>>(), "missed": missed,
            "wrong_bytes": streamed.iter().chain(&asked).map(|read| read.wrong_bytes).sum::<u64>(),
            "up_after_ms": up.map(ms),
        });
        println!("   {line}");
        trace.push(line)?;
    }
    if !complaints.is_empty() {
        println!("{}", demo.log());
    }
    Ok(complaints)
}

/// Whether the demo has the links of the drawing.
fn is_drawn(cluster: &Value) -> Result<(), String> {
    let pair = |one: String, other: String| if one < other { (one, other) } else { (other, one) };
    let switch = |switch: usize| format!("s{}", switch % SIZE + 1);
    let cables = (0..SIZE).flat_map(|node| switches_of(node).map(|to| pair(node_name(node), switch(to))));
    let ring = (0..SIZE).map(|one| pair(switch(one), switch(one + 1)));
    let drawn: BTreeSet<_> = cables.chain(ring).collect();
    let names = cluster["links"].as_array().into_iter().flatten().filter_map(|link| link["name"].as_str());
    let ends = names.filter_map(|name| name.split_once('-'));
    let found: BTreeSet<_> = ends.map(|(one, other)| pair(one.to_owned(), other.to_owned())).collect();
    if found == drawn {
        return Ok(());
    }
    let differing: Vec<_> = found.symmetric_difference(&drawn).collect();
    Err(format!("links other than drawn: {differing:?}"))
}

/// How a viewer's read went.
struct Read {
    whole: io::Result<Duration>,
    wrong_bytes: u64,
}

/// A viewer on every node reads a title, all at once; meanwhile something is done.
fn read_everywhere<T>(demo: &Demo, title: (&str, u64), seed: u64, meanwhile: impl FnOnce() -> T) -> (T, Vec<Read>) {
    let ports: Vec<u16> = (0..SIZE).map(|node| demo.port(node)).collect();
    thread::scope(|scope| {
        let readers: Vec<_> = ports.iter().map(|port| scope.spawn(move || read(*port, title, seed))).collect();
        let done = meanwhile();
        let panicked = |_| Read { whole: Err(io::Error::other("the viewer panicked")), wrong_bytes: 0 };
        (done, readers.into_iter().map(|reader| reader.join().unwrap_or_else(panicked)).collect())
    })
}

fn read(port: u16, (title, bytes): (&str, u64), seed: u64) -> Read {
    let (began, mut position, mut wrong, mut scratch) = (Instant::now(), 0, 0, Vec::new());
    let transfer = get_within(port, &format!("/v/{title}"), Some(DEADLINE), |piece| {
        scratch.resize(piece.len(), 0);
        wrong += wrong_bytes(seed, position, piece, &mut scratch);
        position += piece.len() as u64;
        if began.elapsed() > DEADLINE { Err(io::Error::other("not within the deadline")) } else { Ok(()) }
    });
    let whole = transfer.map_err(|error| io::Error::other(format!("{title}, at byte {position}: {error}")));
    let whole = whole.and_then(|transfer| {
        let is_whole = transfer.bytes == bytes && transfer.whole <= DEADLINE;
        let late = || io::Error::other(format!("{title}: {} bytes after {:?}", transfer.bytes, transfer.whole));
        if is_whole { Ok(transfer.whole) } else { Err(late()) }
    });
    Read { whole, wrong_bytes: wrong }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_of_the_ring() {
        assert_eq!(triples().len(), 56);
        assert_eq!(components(&[]), [(0..SIZE).collect::<Vec<_>>()]);
        assert_eq!(components(&[0, 1, 2, 3, 4, 5, 6, 7]).len(), SIZE, "each alone");
        // Node 0 is on switches 0 and 5, node 5 on 5 and 2: without both of its switches, a node is alone.
        let sorted = |cut: &[usize]| {
            let mut components = components(cut);
            components.sort_by_key(Vec::len);
            components
        };
        assert_eq!(sorted(&[0, 5, 1]), [vec![0], vec![1, 2, 3, 4, 5, 6, 7]]);
        assert_eq!(sorted(&[0, 2, 5])[2], [1, 2, 3, 4, 6, 7]);
    }

    #[test]
    fn three_switches_always_leave_a_large_component() {
        // What the construction promises (LeMahieu, Bohossian, Bruck 1998): few nodes are lost.
        for cut in triples() {
            assert!(components(&cut).iter().any(|nodes| nodes.len() >= ENOUGH), "{cut:?}: {:?}", components(&cut));
        }
    }

    #[test]
    fn a_missing_link_is_noticed() {
        let name = |one: String, other: String| json!({ "name": format!("{one}-{other}") });
        let cables = (0..SIZE).flat_map(|node| switches_of(node).map(|to| (node_name(node), format!("s{}", to + 1))));
        let ring = (1..=SIZE).map(|one| (format!("s{one}"), format!("s{}", one % SIZE + 1)));
        let mut links: Vec<Value> = cables.chain(ring).map(|(one, other)| name(one, other)).collect();
        assert_eq!(is_drawn(&json!({ "links": links })), Ok(()));
        links.pop();
        assert!(is_drawn(&json!({ "links": links })).is_err());
    }
}
