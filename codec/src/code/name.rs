//! The names of codes, as people type them and column files carry them.

use thiserror::Error;

/// Column counts for which a B-code is built here: a cyclic form or the factorisation of `K_10` (see `b_code`).
const B_CODE_COLUMNS: [usize; 19] = [4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22];
/// Column counts for which an X-code is built here: primes, for no other number it is MDS.
const X_CODE_COLUMNS: [usize; 4] = [5, 7, 11, 13];
/// Fewest data columns of a Reed-Solomon code: with one, every parity column is its copy.
const RS_DATA_MIN: usize = 2;
/// Most parity columns of a Reed-Solomon code. The construction has no such limit. But schedules here have no cells for
/// intermediate sums, and so each further parity column costs more XORs than it must; and with the columns that can be
/// lost grow the patterns, for each of which a schedule may be kept.
const RS_PARITY_MAX: usize = 4;
/// Most columns of a Reed-Solomon code: those of the field of 2^5 elements. A larger field adds a row to all columns, and
/// thereby XORs to every cell.
const RS_COLUMNS_MAX: usize = 32;
/// Data and parity columns of the Reed-Solomon codes that are listed: those in use elsewhere, and small ones with one
/// to four parity columns.
const RS_LISTED: [(usize, usize); 10] =
    [(3, 1), (2, 2), (4, 2), (8, 2), (4, 3), (6, 3), (8, 3), (4, 4), (8, 4), (10, 4)];
/// The Reed-Solomon code that errors name as an example.
const RS_EXAMPLE: (usize, usize) = (4, 2);

/// Why a name is of no code.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CodeError {
    /// No family of this name.
    #[error(
        "unknown code \"{asked}\": there are b-code:N (N = 4 to 22), x-code:P (P = 5, 7, 11, 13) and rs:K+M (K from {RS_DATA_MIN}, M = 1 to {RS_PARITY_MAX}, K + M up to {RS_COLUMNS_MAX}), for example {nearest}"
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
    /// A Reed-Solomon code, and behind the colon not two plain numbers with a plus between.
    #[error(
        "code \"{asked}\": expected the numbers of data and parity columns without sign or leading zero as K+M after the colon, for example {nearest}"
    )]
    Numbers {
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
    /// A Reed-Solomon code of a size that is not built.
    #[error(
        "code \"{asked}\": a Reed-Solomon code has at least {RS_DATA_MIN} data columns and 1 to {RS_PARITY_MAX} parity columns, at most {RS_COLUMNS_MAX} together, not {data} and {parity}; the nearest is {nearest}"
    )]
    ReedSolomonColumns {
        /// The name as it was asked for.
        asked: String,
        /// The number of data columns asked for.
        data: u64,
        /// The number of parity columns asked for.
        parity: u64,
        /// The nearest name that can be had.
        nearest: String,
    },
}

/// How a code is constructed, and how large it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    BCode { columns: usize },
    XCode { columns: usize },
    ReedSolomon { data: usize, parity: usize },
}

impl Shape {
    /// The name that stands for it.
    fn name(self) -> String {
        match self {
            Self::BCode { columns } => format!("b-code:{columns}"),
            Self::XCode { columns } => format!("x-code:{columns}"),
            Self::ReedSolomon { data, parity } => format!("rs:{data}+{parity}"),
        }
    }
}

/// Reads a name.
pub(super) fn parse(asked: &str) -> Result<Shape, CodeError> {
    let (family, size) = asked.split_once(':').unwrap_or((asked, ""));
    match family {
        "b-code" => b_code(asked, size),
        "x-code" => x_code(asked, size),
        "rs" => reed_solomon(asked, size),
        _ => {
            let nearest = Shape::BCode { columns: B_CODE_COLUMNS[0] }.name();
            Err(CodeError::Family { asked: asked.to_owned(), nearest })
        }
    }
}

fn b_code(asked: &str, size: &str) -> Result<Shape, CodeError> {
    let shape = |columns| Shape::BCode { columns };
    let (found, columns) = column_count(asked, size, &B_CODE_COLUMNS, shape)?;
    if columns as u64 == found {
        return Ok(shape(columns));
    }
    Err(CodeError::BCodeColumns { asked: asked.to_owned(), found, nearest: shape(columns).name() })
}

fn x_code(asked: &str, size: &str) -> Result<Shape, CodeError> {
    let shape = |columns| Shape::XCode { columns };
    let (found, columns) = column_count(asked, size, &X_CODE_COLUMNS, shape)?;
    if columns as u64 == found {
        return Ok(shape(columns));
    }
    Err(CodeError::XCodeColumns { asked: asked.to_owned(), found, nearest: shape(columns).name() })
}

/// Reads a number of columns, and finds the nearest of those that are built: of two equally near ones the larger, which
/// stores less parity.
fn column_count(
    asked: &str,
    size: &str,
    built: &[usize],
    shape: impl Fn(usize) -> Shape,
) -> Result<(u64, usize), CodeError> {
    let found = plain_number(size)
        .ok_or_else(|| CodeError::Number { asked: asked.to_owned(), nearest: shape(built[0]).name() })?;
    let near = |columns: &&usize| (**columns as u64).abs_diff(found);
    Ok((found, built.iter().rev().min_by_key(near).copied().unwrap_or_default()))
}

/// The nearest size that is built keeps the parity columns asked for where it can.
fn reed_solomon(asked: &str, size: &str) -> Result<Shape, CodeError> {
    let numbers = size.split_once('+').and_then(|(data, parity)| Some((plain_number(data)?, plain_number(parity)?)));
    let Some((data, parity)) = numbers else {
        let (data, parity) = RS_EXAMPLE;
        let nearest = Shape::ReedSolomon { data, parity }.name();
        return Err(CodeError::Numbers { asked: asked.to_owned(), nearest });
    };
    let nearest_parity = within(parity, 1, RS_PARITY_MAX);
    let nearest_data = within(data, RS_DATA_MIN, RS_COLUMNS_MAX - nearest_parity);
    let nearest = Shape::ReedSolomon { data: nearest_data, parity: nearest_parity };
    if (nearest_data as u64, nearest_parity as u64) == (data, parity) {
        return Ok(nearest);
    }
    Err(CodeError::ReedSolomonColumns { asked: asked.to_owned(), data, parity, nearest: nearest.name() })
}

fn within(number: u64, min: usize, max: usize) -> usize {
    usize::try_from(number).map_or(max, |number| number.clamp(min, max))
}

/// Reads digits only, in the one way that they are printed: a code has one name.
fn plain_number(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

/// Lists names.
pub(super) fn all() -> impl Iterator<Item = String> {
    let b_codes = B_CODE_COLUMNS.into_iter().map(|columns| Shape::BCode { columns });
    let x_codes = X_CODE_COLUMNS.into_iter().map(|columns| Shape::XCode { columns });
    let reed_solomon = RS_LISTED.into_iter().map(|(data, parity)| Shape::ReedSolomon { data, parity });
    b_codes.chain(x_codes).chain(reed_solomon).map(Shape::name)
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
        assert_eq!(names.len(), 33);
        for name in names {
            assert_eq!(parse(&name).unwrap().name(), name);
        }
    }

    #[test]
    fn unknown_family() {
        assert!(matches!(parse("z-code:4"), Err(CodeError::Family { .. })));
        assert!(matches!(parse(""), Err(CodeError::Family { .. })));
        assert!(message("B-code:4").contains("\"B-code:4\""));
        assert!(message("raid").ends_with("for example b-code:4"));
        assert!(message("RS:4+2").contains("rs:K+M (K from 2, M = 1 to 4, K + M up to 32)"));
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

    #[test]
    fn not_two_plain_numbers() {
        for asked in ["rs", "rs:", "rs:6", "rs:4+", "rs:+2", "rs:4+2+1", "rs:4-2", "rs:4 + 2", "rs:04+2", "rs:4+02"] {
            assert!(matches!(parse(asked), Err(CodeError::Numbers { .. })), "{asked}");
        }
        assert!(message("rs:4,2").ends_with("as K+M after the colon, for example rs:4+2"));
    }

    #[test]
    fn reed_solomon_codes_that_are_not_built() {
        let refused = message("rs:1+2");
        assert!(
            refused.contains("at least 2 data columns and 1 to 4 parity columns, at most 32 together, not 1 and 2")
        );
        for (asked, nearest) in [
            ("rs:1+2", "rs:2+2"),
            ("rs:0+0", "rs:2+1"),
            ("rs:4+0", "rs:4+1"),
            ("rs:10+5", "rs:10+4"),
            ("rs:31+2", "rs:30+2"),
            ("rs:29+4", "rs:28+4"),
            ("rs:18446744073709551615+18446744073709551615", "rs:28+4"),
        ] {
            assert!(message(asked).ends_with(&format!("the nearest is {nearest}")), "{asked}");
            assert!(parse(nearest).is_ok(), "{nearest}");
        }
        assert_eq!(parse("rs:31+1"), Ok(Shape::ReedSolomon { data: 31, parity: 1 }));
    }
}
