//! Conditional requests (RFC 9110, 13).

use hyper::HeaderMap;
use hyper::header::{HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE};
use rain_titles::Precondition;
use rain_titles::precondition::{strong, weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What a condition is compared with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Present<'a> {
    /// The entity tag, with its quotation marks.
    pub(super) etag: &'a str,
    /// Milliseconds since 1970.
    pub(super) modified_ms: u64,
}

/// What the conditions of a GET or HEAD come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Evaluation {
    /// Go on.
    Proceed,
    /// 304.
    NotModified,
    /// 412.
    Failed,
}

fn values<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<Vec<&'a str>> {
    let values: Vec<_> = headers
        .get_all(name)
        .iter()
        .flat_map(|value| value.to_str().unwrap_or_default().split(','))
        .map(str::trim)
        .collect();
    (!values.is_empty()).then_some(values)
}

fn date(headers: &HeaderMap, name: &HeaderName) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(name)?.to_str().ok()?).ok()
}

/// Whole seconds, as HTTP dates have them.
fn modified(present: Present<'_>) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(present.modified_ms / 1000)
}

/// Judges the conditions of a GET or HEAD, in the order of RFC 9110, 13.2.2.
pub(super) fn of_read(headers: &HeaderMap, present: Present<'_>) -> Evaluation {
    if let Some(tags) = values(headers, &IF_MATCH) {
        if !strong(&tags, Some(present.etag)) {
            return Evaluation::Failed;
        }
    } else if date(headers, &IF_UNMODIFIED_SINCE).is_some_and(|date| modified(present) > date) {
        return Evaluation::Failed;
    }
    let unchanged = match values(headers, &IF_NONE_MATCH) {
        Some(tags) => weak(&tags, Some(present.etag)),
        // An older date can be that of a newer version, where clocks were wrong: only the very same one is known.
        None => date(headers, &IF_MODIFIED_SINCE).is_some_and(|date| modified(present) == date),
    };
    if unchanged { Evaluation::NotModified } else { Evaluation::Proceed }
}

/// Whether a `Range` holds good: without `If-Range`, or when that is the strong entity tag of what is present. A date is
/// none: two versions may be of the same second, and clocks be wrong (RFC 9110, 13.1.5 and 8.8.2.2).
pub(super) fn range_holds(headers: &HeaderMap, present: Present<'_>) -> bool {
    headers.get(IF_RANGE).is_none_or(|value| value.as_bytes() == present.etag.as_bytes())
}

/// What a PUT or DELETE demands of the present version.
pub(super) fn of_write(headers: &HeaderMap) -> Precondition {
    let own = |name| values(headers, &name).map(|tags| tags.into_iter().map(str::to_owned).collect());
    Precondition { matches: own(IF_MATCH), none_matches: own(IF_NONE_MATCH) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    const PRESENT: Present<'_> = Present { etag: "\"a\"", modified_ms: 784_111_777_000 };
    const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const AFTER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

    fn headers(pairs: &[(HeaderName, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn reads() {
        for (pairs, expected) in [
            (vec![], Evaluation::Proceed),
            (vec![(IF_NONE_MATCH, "\"a\"")], Evaluation::NotModified),
            (vec![(IF_NONE_MATCH, "W/\"a\"")], Evaluation::NotModified),
            (vec![(IF_NONE_MATCH, "\"b\", \"a\"")], Evaluation::NotModified),
            (vec![(IF_NONE_MATCH, "*")], Evaluation::NotModified),
            (vec![(IF_NONE_MATCH, "\"b\"")], Evaluation::Proceed),
            (vec![(IF_MATCH, "\"a\"")], Evaluation::Proceed),
            (vec![(IF_MATCH, "*")], Evaluation::Proceed),
            (vec![(IF_MATCH, "W/\"a\"")], Evaluation::Failed),
            (vec![(IF_MATCH, "\"b\"")], Evaluation::Failed),
            (vec![(IF_MODIFIED_SINCE, DATE)], Evaluation::NotModified),
            (vec![(IF_MODIFIED_SINCE, BEFORE)], Evaluation::Proceed),
            (vec![(IF_MODIFIED_SINCE, AFTER)], Evaluation::Proceed),
            (vec![(IF_UNMODIFIED_SINCE, DATE)], Evaluation::Proceed),
            (vec![(IF_UNMODIFIED_SINCE, BEFORE)], Evaluation::Failed),
            (vec![(IF_NONE_MATCH, "\"b\""), (IF_MODIFIED_SINCE, DATE)], Evaluation::Proceed),
        ] {
            assert_eq!(of_read(&headers(&pairs), PRESENT), expected, "{pairs:?}");
        }
    }

    #[test]
    fn ranges_hold_only_of_the_same_content() {
        for (value, expected) in [("\"a\"", true), ("W/\"a\"", false), ("\"b\"", false), (DATE, false), (BEFORE, false)]
        {
            assert_eq!(range_holds(&headers(&[(IF_RANGE, value)]), PRESENT), expected, "{value}");
        }
        assert!(range_holds(&HeaderMap::new(), PRESENT));
    }

    #[test]
    fn writes() {
        assert!(!of_write(&HeaderMap::new()).is_some());
        for (name, value, present, expected) in [
            (IF_NONE_MATCH, "*", None, true),
            (IF_NONE_MATCH, "*", Some("\"a\""), false),
            (IF_NONE_MATCH, "\"a\"", Some("\"b\""), true),
            (IF_MATCH, "*", None, false),
            (IF_MATCH, "\"a\"", Some("\"a\""), true),
            (IF_MATCH, "\"b\", \"a\"", Some("\"a\""), true),
            (IF_MATCH, "\"b\"", Some("\"a\""), false),
            (IF_MATCH, "\"b\"", None, false),
        ] {
            let precondition = of_write(&headers(&[(name.clone(), value)]));
            assert!(precondition.is_some(), "{name}: {value}");
            assert_eq!(precondition.holds(present), expected, "{name}: {value} of {present:?}");
        }
    }
}
