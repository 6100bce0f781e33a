//! What one seed runs with: every seed switches on a few of the faults, each with a strength of its own.

use crate::history::shape_of;
use crate::liar::{LIES, Lie, Lies};
use crate::random::Random;
use crate::safeguard::Safeguard;
use crate::wire::Weather;

/// What happens to a node, a link or a disk at some moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A process dies, or power goes, between two events.
    Crash,
    /// All lose power.
    Blackout,
    /// Some links carry nothing for a while, some of them in one direction only.
    Cut,
    /// A node stands still, as by SIGSTOP.
    Stop,
    /// The disk of a node becomes slow, or fast again.
    Slow,
    /// A copy of a disk is made.
    Image,
    /// An old copy of a disk is put in its place.
    Old,
    /// A blank disk is put in the place of another.
    Blank,
    /// A bit of a column is flipped.
    RotColumn,
    /// A bit of the ledger is flipped.
    RotLedger,
    /// A bit of the identity is flipped.
    RotIdentity,
    /// A node tells of versions that cannot be, or stops to.
    Lie,
}

const CODES: [&str; 10] = [
    "b-code:4",
    "b-code:6",
    "x-code:5",
    "replica:3",
    "replica:5",
    "parity:3+1",
    "rs:3+1",
    "rs:3+3",
    "rs:2+4",
    "dual-b-code:5",
];
/// For clusters of two and three nodes. A node alone holds no columns: no code has one only.
const SMALL_CODES: [&str; 3] = ["replica:2", "rs:2+1", "parity:2+1"];

#[derive(Debug, Clone)]
pub struct Options {
    pub seed: u64,
    pub missing: Option<Safeguard>,
    pub nodes: usize,
    pub catalog: Option<usize>,
    /// The code of a new version is one of these.
    pub codes: Vec<&'static str>,
    pub titles: usize,
    pub operations: usize,
    pub spacing_ms: usize,
    pub weather: Weather,
    pub patience_ms: usize,
    /// Power goes in the middle of an operation of a disk, once in so many requests.
    pub crash_one_in: usize,
    pub eio_one_in: usize,
    pub full_one_in: usize,
    /// A clock runs so many thousandths fast or slow at most.
    pub rate_error: usize,
    pub faults: Vec<Fault>,
    pub fault_ms: usize,
    /// A body takes so long.
    pub upload_ms: usize,
    /// One in so many writes has a condition.
    pub condition_one_in: usize,
    pub forge_one_in: usize,
    /// Clocks are set every so often.
    pub jump_ms: usize,
    /// Nodes that are no members at the beginning.
    pub spares: usize,
    /// The members change every so often.
    pub change_ms: usize,
    /// The network delivers what is under way when the weather calms down; else it comes minutes later.
    pub hurry: bool,
    pub long: bool,
    /// One of the nodes lies, and readers hold columns to their roots.
    pub lies: Option<Lies>,
}

impl Options {
    /// Four nodes, and nothing that goes wrong: what scenarios begin with.
    pub fn quiet(nodes: usize, codes: &[&'static str]) -> Self {
        Self {
            seed: 0,
            missing: None,
            nodes,
            catalog: None,
            codes: codes.to_vec(),
            titles: 1,
            operations: 0,
            spacing_ms: 100,
            weather: Weather { delay_ms: 1, ..Weather::default() },
            patience_ms: 2000,
            crash_one_in: 0,
            eio_one_in: 0,
            full_one_in: 0,
            rate_error: 0,
            faults: Vec::new(),
            fault_ms: 0,
            upload_ms: 0,
            condition_one_in: 0,
            forge_one_in: 0,
            jump_ms: 0,
            spares: 0,
            change_ms: 0,
            hurry: true,
            long: false,
            lies: None,
        }
    }

    /// One node lies, and nothing else goes wrong: messages are slow, repeated and late among themselves, and arrive.
    pub fn with_a_liar(seed: u64, missing: Option<Safeguard>) -> Self {
        let mut random = Random::new(seed ^ 0x11e5);
        let nodes = random.pick(&[3, 4, 4, 4, 5, 5, 6, 7]);
        let fits = CODES.iter().copied().filter(|code| shape_of(code).columns <= nodes);
        let fits: Vec<&'static str> = fits.collect();
        let codes: Vec<&'static str> = (0..=random.below(2)).map(|_| random.pick(&fits)).collect();
        let mut kinds: Vec<Lie> = LIES.to_vec();
        // Some tell all lies, most a few, some one only: else one kind hides what another could do.
        let share = random.pick(&[1, 2, 4, 10]);
        kinds.retain(|_| random.one_in(share));
        if kinds.is_empty() {
            kinds.push(random.pick(&LIES));
        }
        // Whoever has told of other lives of its own has ended that in which it is.
        let goes = random.one_in(2) || kinds.contains(&Lie::Sender);
        let (titles, spacing_ms) = (1 + random.below(3), random.pick(&[50, 300, 2000]));
        let lies = Lies {
            place: random.below(nodes),
            kinds,
            one_in: random.pick(&[1, 1, 2, 6]),
            unasked_ms: random.pick(&[20, 200, 1000]),
            codes: codes.clone(),
            titles,
            goes,
        };
        Self {
            seed,
            missing,
            codes,
            nodes,
            titles,
            operations: 10 + random.below(40),
            spacing_ms,
            weather: Weather {
                delay_ms: random.pick(&[1, 10, 100]),
                repeat_one_in: random.pick(&[0, 20]),
                ..Weather::default()
            },
            upload_ms: random.pick(&[0, 0, 500]),
            condition_one_in: random.pick(&[0, 2, 5]),
            lies: Some(lies),
            ..Self::quiet(nodes, &[])
        }
    }

    pub fn of(seed: u64, missing: Option<Safeguard>) -> Self {
        let mut random = Random::new(seed ^ 0x5eed);
        let nodes = random.pick(&[1, 2, 3, 3, 4, 4, 4, 5, 5, 5, 6, 6, 7, 8, 9]);
        let fits: Vec<&'static str> = SMALL_CODES
            .iter()
            .filter(|_| nodes < 4)
            .chain(&CODES)
            .copied()
            .filter(|code| shape_of(code).columns <= nodes)
            .collect();
        let codes = (0..=random.below(3)).filter(|_| !fits.is_empty()).map(|_| random.pick(&fits)).collect();
        let catalog = random.one_in(4).then(|| 1 + random.below(nodes));
        let mut sometimes = |strengths: &[usize]| if random.one_in(2) { random.pick(strengths) } else { 0 };
        let (drop_one_in, repeat_one_in, late_one_in) =
            (sometimes(&[5, 20, 100]), sometimes(&[5, 50]), sometimes(&[10, 100]));
        let (very_late_one_in, crash_one_in) = (sometimes(&[20, 100, 300]), sometimes(&[3, 10, 30]));
        let (eio_one_in, full_one_in) = (sometimes(&[30, 300]), sometimes(&[20, 200]));
        let (rate_error, condition_one_in) = (sometimes(&[10, 200]), sometimes(&[1, 2, 3, 5]));
        let (upload_ms, forge_one_in) = (sometimes(&[500, 5000, 90_000]), sometimes(&[6]));
        let mut faults = Vec::new();
        for some in [
            [Fault::Crash].as_slice(),
            &[Fault::Blackout],
            &[Fault::Cut],
            &[Fault::Stop],
            &[Fault::Slow],
            &[Fault::Image, Fault::Old],
            &[Fault::Blank],
            &[Fault::RotColumn],
            &[Fault::RotLedger],
            &[Fault::RotIdentity],
            &[Fault::Lie],
        ] {
            if random.one_in(3) {
                faults.extend(some);
            }
        }
        // Whether clocks are set makes nothing else of a seed another.
        let mut clocks = Random::new(seed ^ 0xc10c);
        let spacing_ms = random.pick(&[20, 200, 1000, 5000, 20_000]);
        Self {
            seed,
            missing,
            nodes,
            catalog,
            codes,
            titles: 1 + random.below(3),
            operations: 10 + random.below(40),
            spacing_ms,
            weather: Weather {
                delay_ms: random.pick(&[1, 10, 100]),
                drop_one_in,
                repeat_one_in,
                late_one_in,
                very_late_one_in,
                purges_get_lost: false,
            },
            patience_ms: random.pick(&[1000, 2000, 10_000]),
            crash_one_in,
            eio_one_in,
            full_one_in,
            rate_error,
            faults,
            fault_ms: spacing_ms * random.pick(&[1, 3, 10]),
            upload_ms,
            condition_one_in,
            forge_one_in,
            jump_ms: if clocks.one_in(3) { clocks.pick(&[500, 5000, 50_000]) } else { 0 },
            hurry: random.one_in(2),
            long: random.one_in(8),
            lies: None,
            spares: 0,
            change_ms: 0,
        }
    }

    /// The same, while members come and go.
    pub fn with_changes(seed: u64, missing: Option<Safeguard>) -> Self {
        let mut random = Random::new(seed ^ 0xc4a6e);
        let options = Self::of(seed, missing);
        let change_ms = options.spacing_ms * random.pick(&[1, 3, 10]);
        Self { spares: 1 + random.below(3), change_ms, ..options }
    }
}
