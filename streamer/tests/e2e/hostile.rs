//! Somebody between the nodes tampers with all that they say to each other. Nothing wrong may come of it: less may be
//! served, and less stored, but what is served is right and what was acknowledged is there.
//!
//! `RAIN_TAMPERINGS=N` goes on until that was done so often; `RAIN_SEED=N` is where chance begins.

use super::harness::{Demo, Folder, delete, get, put, random_below, random_bytes, wait_until};
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::time::Duration;

/// Of all pieces so many percent are tampered with: most requests get through at the second try.
const PERCENT: &str = "2";
/// Requests in the life of a demo.
const TURNS: u64 = 40;
const TITLES: u64 = 12;
/// Bytes of the longest title: several stripes.
const LONGEST: u64 = 3 << 20;
/// In each node's folder, after all is well again: columns that are whole within so long.
const WELL: Duration = Duration::from_secs(30);

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{variable}: found {text}")))
}

/// What a title may be: what was acknowledged last, and what was begun since without a word about how it ended.
#[derive(Default)]
struct Expected {
    acknowledged: Option<Vec<u8>>,
    possible: Vec<Option<Vec<u8>>>,
}

impl Expected {
    fn note(&mut self, content: Option<Vec<u8>>, is_acknowledged: bool) {
        if is_acknowledged {
            // Of two that were begun one after the other the later one wins.
            *self = Self { acknowledged: content, possible: Vec::new() };
        } else {
            self.possible.push(content);
        }
    }

    fn allows(&self, found: Option<&[u8]>) -> bool {
        let mut allowed = self.possible.iter().chain([&self.acknowledged]);
        allowed.any(|content| content.as_deref() == found)
    }
}

/// One life of a demo whose network is hostile, and one on the same folder in peace. Gives how often somebody tampered.
fn one_life(seed: u64) -> u64 {
    let folder = Folder::new();
    let data = folder.join("data").display().to_string();
    let (seed_text, mut options) = (seed.to_string(), vec!["--tamper", PERCENT, "--data", &data]);
    options.extend(["--seed", &seed_text]);
    // What travels in the clear is tampered with where it is.
    options.extend(seed.is_multiple_of(2).then_some("--clear"));
    let demo = Demo::start(&options);
    let mut titles: BTreeMap<String, Expected> = BTreeMap::new();
    for turn in 0..TURNS {
        let chance = |bound, which| random_below(bound, seed << 32 | turn << 8 | which);
        let title = format!("t{}", chance(TITLES, 0));
        let port = demo.port(usize::try_from(chance(4, 1)).expect("a node"));
        let expected = titles.entry(title.clone()).or_default();
        let path = format!("/v/{title}");
        match chance(10, 2) {
            0..5 => {
                let length = usize::try_from(chance(LONGEST, 3)).expect("a length");
                let content = random_bytes(length, seed << 16 | turn);
                let answer = put(&path, content.clone()).try_to(port);
                expected.note(Some(content), answer.is_ok_and(|answer| answer.status < 300));
            }
            5 => {
                let answer = delete(&path).try_to(port);
                // Of a title that is not there it says so, and that is as good.
                let is_gone = answer.as_ref().is_ok_and(|answer| [204, 404].contains(&answer.status));
                let is_sure = answer.is_ok_and(|answer| answer.header("rain-freshness").is_none());
                expected.note(None, is_gone && is_sure);
            }
            _ => match get(&path).try_to(port) {
                Ok(answer) if answer.status == 200 => {
                    let is_fresh = answer.header("rain-freshness").is_none();
                    let allowed = !is_fresh || expected.allows(Some(&answer.body));
                    assert!(allowed, "seed {seed}, turn {turn}: {title} is {} bytes of another", answer.body.len());
                }
                Ok(answer) if answer.status == 404 && answer.header("rain-freshness").is_none() => {
                    assert!(expected.allows(None), "seed {seed}, turn {turn}: {title} is gone");
                }
                // It is not served, or broken off: that is for the network to answer for.
                Ok(answer) => assert!(answer.status >= 400, "seed {seed}, turn {turn}: {}", answer.status),
                Err(_) => {}
            },
        }
    }
    demo.process.signal(Signal::TERM);
    demo.process.wait(Duration::from_secs(30));
    let log = demo.process.log();
    let said = log.lines().find_map(|line| line.strip_prefix("rain: streams and pieces of streams tampered with: "));
    let tampered = said.and_then(|count| count.parse().ok()).unwrap_or_else(|| panic!("no count in {log}"));
    drop(demo);
    in_peace(&data, seed, &titles);
    tampered
}

/// What was acknowledged is there, at every node, and no column holds what nobody wrote.
fn in_peace(data: &str, seed: u64, titles: &BTreeMap<String, Expected>) {
    let demo = Demo::start(&["--data", data]);
    for (title, expected) in titles {
        for node in 0..4 {
            let answer = get(format!("/v/{title}")).to(demo.port(node));
            let found = match answer.status {
                200 => Some(&answer.body[..]),
                404 => None,
                status => panic!("seed {seed}: {title} from {node}: {status}"),
            };
            assert!(expected.allows(found), "seed {seed}: {title} from {node}: {:?} bytes", found.map(<[u8]>::len));
        }
        wait_until("whole columns", WELL, || {
            let answer = get(format!("/api/v1/titles/{title}?verify=1")).to(demo.port(0));
            if answer.status == 404 {
                return true;
            }
            let report = answer.expect(200).json();
            let states: Vec<_> = report["columns"].as_array().expect("columns").iter().map(|it| &it["state"]).collect();
            assert!(states.iter().all(|state| *state != "damaged"), "seed {seed}: {title}: {report}");
            states.iter().all(|state| *state == "ok")
        });
    }
}

#[test]
fn whatever_is_done_between_nodes_nothing_wrong_comes_of_it() {
    let (wanted, first) = (number("RAIN_TAMPERINGS").unwrap_or(70), number("RAIN_SEED").unwrap_or(1));
    let mut tampered = 0;
    for seed in first.. {
        tampered += one_life(seed);
        println!("seed {seed}: {tampered} in all");
        if tampered >= wanted {
            break;
        }
    }
}
