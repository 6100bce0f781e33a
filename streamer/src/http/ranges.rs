//! `Range` headers (RFC 9110, 14.1-14.2): one range is answered, several are not.

use core::ops::Range;

/// What a `Range` header asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Asked {
    /// The whole: no header, another unit, a form that is not understood, or several ranges.
    Whole,
    /// These bytes.
    Part(Range<u64>),
    /// Bytes that are not there: 416.
    Unsatisfiable,
}

/// Reads a `Range` header for a content of `length` bytes.
pub(super) fn parse(header: &str, length: u64) -> Asked {
    let Some((unit, ranges)) = header.split_once('=') else { return Asked::Whole };
    if !unit.trim().eq_ignore_ascii_case("bytes") || ranges.contains(',') {
        return Asked::Whole;
    }
    let Some((first, last)) = ranges.trim().split_once('-') else { return Asked::Whole };
    match (number(first), number(last)) {
        (Some(None), Some(Some(suffix))) => {
            if suffix == 0 || length == 0 {
                return Asked::Unsatisfiable;
            }
            Asked::Part(length.saturating_sub(suffix)..length)
        }
        (Some(Some(first)), Some(last)) => {
            if last.is_some_and(|last| last < first) {
                return Asked::Whole;
            }
            if first >= length {
                return Asked::Unsatisfiable;
            }
            Asked::Part(first..last.map_or(length, |last| last.saturating_add(1).min(length)))
        }
        _ => Asked::Whole,
    }
}

/// Nothing, or a number that may be too large to matter; `None` when it is neither.
fn number(text: &str) -> Option<Option<u64>> {
    let text = text.trim();
    if text.is_empty() {
        return Some(None);
    }
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| Some(text.parse().unwrap_or(u64::MAX)))
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
