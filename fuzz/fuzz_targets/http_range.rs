//! A `Range` header asks for bytes that are there, for the whole, or for none.
//!
//! Oracle: for headers made of a first and a last position, the positions themselves, one by one. Any other text may only
//! be answered with bytes of the content.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use rain_titles::range::{Asked, parse};

#[derive(Debug, Arbitrary)]
enum Case<'a> {
    Text { header: &'a str, length: u64 },
    Made { first: Option<Position>, last: Option<Position>, length: u8, spaces: u8, capitals: u8 },
}

#[derive(Clone, Copy, Debug, Arbitrary)]
enum Position {
    Near(u8),
    Far(u64),
    /// More than 64 bits hold.
    Huge(u64),
}

impl Position {
    fn value(self) -> u128 {
        match self {
            Self::Near(value) => value.into(),
            Self::Far(value) => value.into(),
            Self::Huge(value) => u128::from(u64::MAX) + 1 + u128::from(value),
        }
    }
}

fuzz_target!(|case: Case<'_>| {
    match case {
        Case::Text { header, length } => {
            if let Asked::Part(range) = parse(header, length) {
                assert!(range.start < range.end && range.end <= length, "{header:?} of {length}: {range:?}");
                assert!(!header.contains(','), "{header:?}: several ranges");
            }
        }
        Case::Made { first, last, length, spaces, capitals } => check(first, last, length, spaces, capitals),
    }
});

fn check(first: Option<Position>, last: Option<Position>, length: u8, spaces: u8, capitals: u8) {
    let space = |bit: u8| if spaces >> bit & 1 == 1 { " " } else { "" };
    let unit: String = "bytes"
        .chars()
        .enumerate()
        .map(|(at, letter)| if capitals >> at & 1 == 1 { letter.to_ascii_uppercase() } else { letter })
        .collect();
    let text = |position: Option<Position>| position.map_or(String::new(), |position| position.value().to_string());
    let header = format!("{unit}{}={}{}-{}{}", space(0), space(1), text(first), text(last), space(2));

    // RFC 9110, 14.1.2: the last `suffix` bytes; from `first` on; from `first` to `last`, that one included.
    let is_asked = |at: u128| match (first.map(Position::value), last.map(Position::value)) {
        (None, None) => false,
        (None, Some(suffix)) => at + suffix >= u128::from(length),
        (Some(first), None) => at >= first,
        (Some(first), Some(last)) => at >= first && at <= last,
    };
    let asked: Vec<u64> = (0..u64::from(length)).filter(|at| is_asked(u128::from(*at))).collect();
    let makes_no_sense = match (first.map(Position::value), last.map(Position::value)) {
        (None, None) => true,
        // Of two positions that both are more than 64 bits hold, neither is on any disk.
        (Some(first), Some(last)) => last.min(u64::MAX.into()) < first.min(u64::MAX.into()),
        (None, Some(_)) | (Some(_), None) => false,
    };
    let expected = match (makes_no_sense, asked.first().zip(asked.last())) {
        (true, _) => Asked::Whole,
        (false, Some((first, last))) => Asked::Part(*first..last + 1),
        (false, None) => Asked::Unsatisfiable,
    };
    assert_eq!(parse(&header, u64::from(length)), expected, "{header:?} of {length}");
}
