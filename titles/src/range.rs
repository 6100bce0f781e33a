//! `Range` headers (RFC 9110, 14.1-14.2): one range is answered, several are not.

use core::ops::Range;

/// What a `Range` header asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// The whole: no header, another unit, a form that is not understood, or several ranges.
    Whole,
    /// These bytes.
    Part(Range<u64>),
    /// Bytes that are not there: 416.
    Unsatisfiable,
}

/// Reads a `Range` header for a content of `length` bytes.
pub fn parse(header: &str, length: u64) -> Asked {
    let Some((unit, ranges)) = header.split_once('=') else { return Asked::Whole };
    if !unit.trim().eq_ignore_ascii_case("bytes") || ranges.contains(',') {
        return Asked::Whole;
    }
    let Some((first, last)) = ranges.trim().split_once('-') else { return Asked::Whole };
    match (Number::of(first), Number::of(last)) {
        (Number::Missing, Number::Given(suffix)) => {
            if suffix == 0 || length == 0 {
                return Asked::Unsatisfiable;
            }
            Asked::Part(length.saturating_sub(suffix)..length)
        }
        (Number::Given(first), last @ (Number::Missing | Number::Given(_))) => {
            let end = match last {
                Number::Given(last) if last < first => return Asked::Whole,
                Number::Given(last) => last.saturating_add(1).min(length),
                Number::Missing | Number::Wrong => length,
            };
            if first >= length { Asked::Unsatisfiable } else { Asked::Part(first..end) }
        }
        (Number::Missing, Number::Missing) | (Number::Wrong, _) | (_, Number::Wrong) => Asked::Whole,
    }
}

/// One side of a range.
#[derive(Clone, Copy)]
enum Number {
    Missing,
    Given(u64),
    Wrong,
}

impl Number {
    fn of(text: &str) -> Self {
        let text = text.trim();
        if text.is_empty() {
            Self::Missing
        } else if text.bytes().all(|byte| byte.is_ascii_digit()) {
            // One that does not fit is behind every end.
            Self::Given(text.parse().unwrap_or(u64::MAX))
        } else {
            Self::Wrong
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As nginx 1.22 answers, but that a range that makes no sense is passed over (RFC 9110, 14.2), not refused.
    #[test]
    fn ranges() {
        for (header, expected) in [
            ("bytes=0-0", Asked::Part(0..1)),
            ("bytes=0-99999999999", Asked::Part(0..1000)),
            ("bytes=0-99999999999999999999999", Asked::Part(0..1000)),
            ("bytes=-1", Asked::Part(999..1000)),
            ("bytes=-5000", Asked::Part(0..1000)),
            ("bytes=-0", Asked::Unsatisfiable),
            ("bytes=1000-", Asked::Unsatisfiable),
            ("bytes=999-", Asked::Part(999..1000)),
            ("bytes=5-2", Asked::Whole),
            ("bytes=abc", Asked::Whole),
            ("bytes=-", Asked::Whole),
            ("items=0-1", Asked::Whole),
            ("bytes=0-1,5-6", Asked::Whole),
            ("Bytes = 1 - 2 ", Asked::Part(1..3)),
        ] {
            assert_eq!(parse(header, 1000), expected, "{header}");
        }
        assert_eq!(parse("bytes=0-", 0), Asked::Unsatisfiable);
        assert_eq!(parse("bytes=-1", 0), Asked::Unsatisfiable);
    }
}
