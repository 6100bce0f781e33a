//! The names of codes, as people type them and column files carry them.

use thiserror::Error;

/// Column counts for which a B-code is built here: a cyclic form or the factorisation of `K_10` (see `b_code`).
const B_CODE_COLUMNS: [usize; 19] = [4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22];
/// Column counts for which an X-code is built here: primes, for no other number it is MDS.
const X_CODE_COLUMNS: [usize; 4] = [5, 7, 11, 13];

/// Why a name is of no code.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CodeError {
    /// No family of this name.
    #[error(
        "unknown code \"{asked}\": there are b-code:N (N = 4 to 22) and x-code:P (P = 5, 7, 11, 13), for example {nearest}"
    )]
    Family {
        /// The name as it was asked for.
        asked: String,
        /// A name that can be had.
        nearest: String,
    },
    /// A known family, and behind the colon no plain number.
    #[error(
        "code \"{asked}\": expected a number of columns without sign or leading zero after the colon, for example {nearest}"
    )]
    Number {
        /// The name as it was asked for.
        asked: String,
        /// A name that can be had.
        nearest: String,
    },
    /// A B-code of a size that is not built.
    #[error("code \"{asked}\": a B-code has 4 to 22 columns here, not {found}; the nearest is {nearest}")]
    BCodeColumns {
        /// The name as it was asked for.
        asked: String,
        /// The number of columns asked for.
        found: u64,
        /// The nearest name that can be had.
        nearest: String,
    },
    /// An X-code of a size that does not exist or is not built.
    #[error(
        "code \"{asked}\": an X-code needs a prime number of columns, here 5, 7, 11 or 13, not {found}; the nearest is {nearest}"
    )]
    XCodeColumns {
        /// The name as it was asked for.
        asked: String,
        /// The number of columns asked for.
        found: u64,
        /// The nearest name that can be had.
        nearest: String,
    },
}

/// How a code is constructed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    BCode,
    XCode,
}

impl Family {
    const ALL: [Self; 2] = [Self::BCode, Self::XCode];

    fn prefix(self) -> &'static str {
        match self {
            Self::BCode => "b-code",
            Self::XCode => "x-code",
        }
    }

    fn columns(self) -> &'static [usize] {
        match self {
            Self::BCode => &B_CODE_COLUMNS,
            Self::XCode => &X_CODE_COLUMNS,
        }
    }

    fn name(self, columns: usize) -> String {
        format!("{}:{columns}", self.prefix())
    }

    /// The size nearest to the one asked for, of two equally near ones the larger, which stores less parity.
    fn nearest(self, asked: u64) -> usize {
        let near = |columns: &&usize| (**columns as u64).abs_diff(asked);
        self.columns().iter().rev().min_by_key(near).copied().unwrap_or_default()
    }
}

/// Reads a name.
pub(super) fn parse(asked: &str) -> Result<(Family, usize), CodeError> {
    let (prefix, number) = asked.split_once(':').unwrap_or((asked, ""));
    let Some(family) = Family::ALL.into_iter().find(|family| family.prefix() == prefix) else {
        let nearest = Family::BCode.name(B_CODE_COLUMNS[0]);
        return Err(CodeError::Family { asked: asked.to_owned(), nearest });
    };
    let found = plain_number(number).ok_or_else(|| {
        let nearest = family.name(family.columns()[0]);
        CodeError::Number { asked: asked.to_owned(), nearest }
    })?;
    let nearest = family.nearest(found);
    if nearest as u64 == found {
        return Ok((family, nearest));
    }
    let (asked, nearest) = (asked.to_owned(), family.name(nearest));
    Err(match family {
        Family::BCode => CodeError::BCodeColumns { asked, found, nearest },
        Family::XCode => CodeError::XCodeColumns { asked, found, nearest },
    })
}

/// Reads digits only, in the one way that they are printed: a code has one name.
fn plain_number(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

/// Lists every name.
pub(super) fn all() -> impl Iterator<Item = String> {
    Family::ALL.into_iter().flat_map(|family| family.columns().iter().map(move |&columns| family.name(columns)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(asked: &str) -> String {
        parse(asked).unwrap_err().to_string()
    }

    #[test]
    fn every_listed_name_is_understood() {
        let names: Vec<String> = all().collect();
        assert_eq!(names.len(), 23);
        for name in names {
            let (family, columns) = parse(&name).unwrap();
            assert_eq!(family.name(columns), name);
        }
    }

    #[test]
    fn unknown_family() {
        assert!(matches!(parse("z-code:4"), Err(CodeError::Family { .. })));
        assert!(matches!(parse(""), Err(CodeError::Family { .. })));
        assert!(message("B-code:4").contains("\"B-code:4\""));
        assert!(message("rs").ends_with("for example b-code:4"));
    }

    #[test]
    fn not_a_plain_number() {
        for asked in
            ["b-code", "b-code:", "b-code:04", "b-code:+4", "b-code: 4", "b-code:4 ", "b-code:-4", "x-code:five"]
        {
            assert!(matches!(parse(asked), Err(CodeError::Number { .. })), "{asked}");
        }
        assert!(message("x-code:").ends_with("for example x-code:5"));
    }

    #[test]
    fn sizes_that_are_not_built() {
        assert!(message("b-code:3").ends_with("4 to 22 columns here, not 3; the nearest is b-code:4"));
        assert!(message("b-code:23").ends_with("not 23; the nearest is b-code:22"));
        assert!(message("b-code:18446744073709551615").ends_with("the nearest is b-code:22"));
    }

    #[test]
    fn sizes_that_are_not_prime() {
        assert!(message("x-code:6").ends_with("not 6; the nearest is x-code:7"));
        assert!(message("x-code:9").ends_with("not 9; the nearest is x-code:11"));
        assert!(message("x-code:3").ends_with("not 3; the nearest is x-code:5"));
        assert!(message("x-code:17").ends_with("not 17; the nearest is x-code:13"));
    }
}
