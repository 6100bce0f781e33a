//! Which codes and which patterns the tests go through: all of what is small, seeded samples of what is wide.

use std::sync::Arc;

use rain_codec::{Code, ErasurePattern};

/// Widest code of which every pattern of lost columns is tried in bytes; Reed-Solomon codes and those that can lose
/// almost all of their columns have too many patterns for that.
const COLUMNS_SMALL: usize = 16;
const PATTERNS_SMALL: usize = 1500;

/// Codes too wide for every pattern, or not listed for there are too many of their family.
const WIDE: [&str; 9] =
    ["rs:20+4", "rs:16+3", "rs:8+8", "rs:40+2", "rs:60+3", "parity:30+1", "parity:254+1", "replica:17", "replica:255"];

/// Every code that has a name in the list.
pub(super) fn listed() -> impl Iterator<Item = Arc<Code>> {
    Code::names().map(|name| Arc::new(Code::named(&name).expect("a listed code")))
}

fn is_small(code: &Code) -> bool {
    code.columns() <= COLUMNS_SMALL && pattern_count(code) <= PATTERNS_SMALL
}

/// The listed codes of which every pattern is tried.
pub(super) fn small() -> impl Iterator<Item = Arc<Code>> {
    listed().filter(|code| is_small(code))
}

/// Codes that are not small, for they are not listed or can lose almost all of their columns, but to which every pattern of
/// three lost columns can be done: Reed-Solomon codes to ten columns, the others to sixteen.
pub(super) fn narrow() -> impl Iterator<Item = Arc<Code>> {
    let reed_solomon = (2..10).flat_map(|data| (1..=10 - data).map(move |parity| format!("rs:{data}+{parity}")));
    let replicas = (2..=COLUMNS_SMALL).map(|columns| format!("replica:{columns}"));
    let listed = Code::names().filter(|name| !name.starts_with("rs:") && !name.starts_with("replica:"));
    let codes = reed_solomon.chain(replicas).chain(listed).map(|name| Arc::new(Code::named(&name).expect("a code")));
    let done: Vec<String> = small().map(|code| code.name().to_owned()).collect();
    codes.filter(move |code| code.columns() <= COLUMNS_SMALL && !done.iter().any(|name| name == code.name()))
}

/// Wide codes of every family, of which only samples of the patterns are tried.
pub(super) fn wide() -> impl Iterator<Item = Arc<Code>> {
    let others = WIDE.into_iter().map(|name| Arc::new(Code::named(name).expect("a code")));
    listed().filter(|code| !is_small(code)).chain(others)
}

/// Codes in which every data cell is to be in exactly two parity cells: X-codes, and B-codes that are not shortened.
pub(super) fn lowest_density(code: &Code) -> bool {
    match code.name().split_once(':') {
        Some(("b-code", _)) => !matches!(code.columns(), 50 | 51 | 54 | 55 | 62..=65),
        Some((family, _)) => family == "x-code",
        None => false,
    }
}

/// Counts the patterns that a code tolerates, but no further than matters.
fn pattern_count(code: &Code) -> usize {
    let mut of_size = 1_usize;
    let mut all = 0_usize;
    for lost in 1..=code.tolerates() {
        of_size = of_size.saturating_mul(code.columns() + 1 - lost) / lost;
        all = all.saturating_add(of_size);
    }
    all
}

/// Every pattern of lost columns that a code tolerates; those of fewer columns come first.
pub(super) fn patterns(code: &Code) -> Vec<ErasurePattern> {
    patterns_up_to(code, code.tolerates())
}

/// Every pattern of at most so many lost columns; those of fewer columns come first.
pub(super) fn patterns_up_to(code: &Code, most: usize) -> Vec<ErasurePattern> {
    let mut patterns = vec![ErasurePattern::none()];
    let mut done = 0;
    for _ in 0..most {
        let fewer = done..patterns.len();
        done = fewer.end;
        for lost in fewer.map(|index| patterns[index]).collect::<Vec<ErasurePattern>>() {
            let behind = lost.iter().last().map_or(0, |last| last + 1);
            patterns.extend((behind..code.columns()).map(|column| lost.with(column)));
        }
    }
    patterns.split_off(1)
}

/// The largest sets of columns that a code may lose: all of them when those are at most `most`, else a seeded sample of so
/// many. What holds without them holds without fewer.
pub(super) fn full_losses(code: &Code, most: usize) -> Vec<ErasurePattern> {
    let (columns, lost) = (code.columns(), code.tolerates());
    // By what is kept where that is less, as of the duals.
    let chosen = lost.min(columns - lost);
    let of = |chosen_columns: &[usize]| {
        if chosen == lost {
            ErasurePattern::of(chosen_columns)
        } else {
            let kept = |column: &usize| !chosen_columns.contains(column);
            ErasurePattern::of(&(0..columns).filter(kept).collect::<Vec<usize>>())
        }
    };
    let count = (0..chosen).fold(1_usize, |count, taken| count.saturating_mul(columns - taken) / (taken + 1));
    if count <= most {
        let mut sets: Vec<Vec<usize>> = vec![Vec::new()];
        for _ in 0..chosen {
            let longer = |set: &Vec<usize>| {
                let behind = set.last().map_or(0, |last| last + 1);
                let set = set.clone();
                (behind..columns).map(move |column| [set.as_slice(), &[column]].concat()).collect::<Vec<Vec<usize>>>()
            };
            sets = sets.iter().flat_map(longer).collect();
        }
        return sets.iter().map(|set| of(set)).collect();
    }
    let mut random = Random::of(code);
    (0..most).map(|_| of(&random.columns(columns, chosen))).collect()
}

/// A seeded sample of the patterns of any size that a code tolerates: first and last columns, then what chance gives.
pub(super) fn sample(code: &Code, count: usize) -> Vec<ErasurePattern> {
    let (columns, most) = (code.columns(), code.tolerates());
    let mut random = Random::of(code);
    let mut patterns = vec![ErasurePattern::of(&[0]), ErasurePattern::of(&[columns - 1])];
    patterns.extend((most > 1).then(|| ErasurePattern::of(&[0, columns - 1])));
    patterns.extend((0..count).map(|place| {
        let size = if place % 2 == 0 { most } else { 1 + random.below(most) };
        ErasurePattern::of(&random.columns(columns, size))
    }));
    patterns
}

/// A generator whose seed is the code's name: every run tries the same.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn of(code: &Code) -> Self {
        let seed = code
            .name()
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
        Self(seed | 1)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() >> 33).expect("31 bits") % bound
    }

    /// So many different columns.
    fn columns(&mut self, columns: usize, count: usize) -> Vec<usize> {
        let mut all: Vec<usize> = (0..columns).collect();
        for place in 0..count {
            let other = place + self.below(columns - place);
            all.swap(place, other);
        }
        all.truncate(count);
        all
    }
}
