//! A peer's request is taken once, by the start of the node that it was made for, unchanged, or refused.
//!
//! Oracle: headers written here from the documented form, with BLAKE3 alone; a set of the numbers taken so far.
#![no_main]

use std::collections::{BTreeMap, BTreeSet};

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use rain_cluster::{Life, NodeId, Sender};
use rain_wire::auth::{AuthError, Signer, Verifier};

const KEY: [u8; 32] = [9; 32];
const SESSION: u64 = 99;
/// Numbers below the highest taken that a receiver still tells apart.
const WINDOW: u128 = 4096;

#[derive(Debug, Arbitrary)]
struct Case<'a> {
    stranger: &'a str,
    requests: Vec<Made>,
    path: &'a str,
    body: &'a [u8],
}

#[derive(Debug, Arbitrary)]
struct Made {
    sender: bool,
    boot: u8,
    counter: Counter,
    session: Option<u64>,
    change: Change,
}

#[derive(Clone, Copy, Debug, Arbitrary)]
enum Counter {
    Next,
    Again,
    Near(u16),
    Any(u64),
    FromEnd(u16),
}

#[derive(Clone, Copy, Debug, Arbitrary)]
enum Change {
    None,
    Method,
    Path,
    Body,
    Header(u16),
}

/// What a receiver took from one sender.
#[derive(Default)]
struct Taken {
    boot: u64,
    counters: BTreeSet<u64>,
}

impl Taken {
    fn take(&mut self, boot: u64, counter: u64) -> bool {
        if boot < self.boot {
            return false;
        }
        if boot > self.boot {
            *self = Self { boot, counters: BTreeSet::new() };
        }
        // Nothing could come after the last number of all: it is never taken.
        if counter == u64::MAX {
            return false;
        }
        let highest = self.counters.last().copied();
        highest.is_none_or(|highest| u128::from(counter) + WINDOW > u128::from(highest))
            && self.counters.insert(counter)
    }
}

fuzz_target!(|case: Case<'_>| {
    let verifier = Verifier::new(KEY, SESSION);
    let _ = verifier.verify("GET", case.path, Some(case.stranger)).expect_err("nobody signed it");
    let mut taken: BTreeMap<bool, Taken> = BTreeMap::new();
    let mut last = 0_u64;
    for made in &case.requests {
        let counter = match made.counter {
            Counter::Next => last.wrapping_add(1),
            Counter::Again => last,
            Counter::Near(below) => last.saturating_sub(u64::from(below)),
            Counter::Any(counter) => counter,
            Counter::FromEnd(below) => u64::MAX - u64::from(below),
        };
        last = counter;
        check(&case, made, counter, &verifier, &mut taken);
    }
    // The node's own signer writes the same form.
    let from = Sender { node: NodeId(0xab), life: Life(7), serial: 9, epoch: 1 };
    let signed = Signer::new(KEY, 3).sign(from, "PUT", case.path, SESSION, case.body);
    assert_eq!(signed, header("PUT", case.path, ("000000ab.00000007.9.1", 3, 0, SESSION), case.body));
    let taken = verifier.verify("PUT", case.path, Some(&signed)).expect("the node's own signer");
    assert_eq!(taken.sender(), from);
});

fn check(case: &Case<'_>, made: &Made, counter: u64, verifier: &Verifier, taken: &mut BTreeMap<bool, Taken>) {
    // What its life has made durable may be another number in each request; a node is known by its id alone.
    let id = if made.sender { "00000001" } else { "00000002" };
    let name = &format!("{id}.{:08x}.{counter}.0", u32::from(made.boot));
    let (boot, session) = (u64::from(made.boot), made.session.unwrap_or(SESSION));
    let mut header = header("POST", case.path, (name, boot, counter, session), case.body).into_bytes();
    let (mut method, mut path, mut body) = ("POST", case.path.to_owned(), case.body.to_vec());
    match made.change {
        Change::None => {}
        Change::Method => method = "GET",
        Change::Path => path.push('?'),
        Change::Body => body.push(0),
        // A letter of hexadecimal in the other case is the same digit, and no change.
        Change::Header(at) => {
            let at = usize::from(at) % header.len();
            header[at] = if header[at] == b'#' { b'%' } else { b'#' };
        }
    }
    let header = String::from_utf8(header).expect("ASCII for ASCII");
    let answer = verifier.verify(method, &path, Some(&header));
    let outcome = answer.and_then(|verified| verified.verify_body(&body));
    match made.change {
        Change::Header(_) => {
            let error = outcome.expect_err("a changed header");
            assert!(matches!(error, AuthError::Malformed | AuthError::Mac), "{error}: {header}");
            return;
        }
        Change::Method | Change::Path => return assert_eq!(outcome, Err(AuthError::Mac), "{header}"),
        Change::None | Change::Body => {}
    }
    if session != SESSION {
        return assert_eq!(outcome, Err(AuthError::Session { found: session, expected: SESSION }), "{header}");
    }
    let window = taken.entry(made.sender).or_insert_with(|| Taken { boot, counters: BTreeSet::new() });
    match (window.take(boot, counter), made.change) {
        (false, _) => assert_eq!(outcome, Err(AuthError::Replay(counter)), "{header}"),
        (true, Change::Body) => assert_eq!(outcome, Err(AuthError::Mac), "{header}"),
        (true, _) => assert_eq!(outcome, Ok(()), "{header}"),
    }
}

/// `v2 NODE.LIFE.SERIAL.EPOCH BOOT COUNTER SESSION BODY MAC`.
fn header(method: &str, path: &str, fields: (&str, u64, u64, u64), body: &[u8]) -> String {
    let (sender, boot, counter, session) = fields;
    let head = format!("v2 {sender} {boot} {counter} {session} {}", blake3::hash(body).to_hex());
    let mac = blake3::keyed_hash(&KEY, format!("{method}\n{path}\n{head}").as_bytes());
    format!("{head} {}", mac.to_hex())
}
