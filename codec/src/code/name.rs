//! The names of codes, as people type them and column files carry them.

use thiserror::Error;

use super::{b_code, dual_b_code, mdr, reed_solomon, simple, x_code};

/// Fewest data columns of a Reed-Solomon code: with one, every parity column is its copy.
const RS_DATA_MIN: usize = 2;
/// Fewest parity columns of a Reed-Solomon code.
const RS_PARITY_MIN: usize = 1;
/// Most columns of any code.
const COLUMNS_MAX: usize = simple::COLUMNS_MAX;
/// Data and parity columns of the Reed-Solomon codes that are listed: those in use elsewhere, and small ones with one
/// to four parity columns.
const RS_LISTED: [(usize, usize); 10] =
    [(3, 1), (2, 2), (4, 2), (8, 2), (4, 3), (6, 3), (8, 3), (4, 4), (8, 4), (10, 4)];
/// Data columns of the parity codes that are listed, and columns of the replicas.
const PARITY_LISTED: [usize; 3] = [2, 3, 4];
const REPLICA_LISTED: [usize; 3] = [2, 3, 4];

/// Why a name is of no code.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CodeError {
    /// No family of this name.
    #[error(
        "unknown code \"{asked}\": there are b-code:N (N = {} to {}), x-code:P (P prime, {} to {}), dual-b-code:N (N = {} to {}), mdr:N (N = {} to {}), rs:K+M (K from {RS_DATA_MIN}, M from {RS_PARITY_MIN}, K + M up to {COLUMNS_MAX}), parity:K+1 (K from {}) and replica:N (N from {}), for example {nearest}",
        b_code::COLUMNS_MIN, b_code::COLUMNS_MAX, x_code::COLUMNS[0], x_code::COLUMNS[x_code::COLUMNS.len() - 1],
        dual_b_code::COLUMNS_MIN, dual_b_code::COLUMNS_MAX, mdr::COLUMNS_MIN, mdr::COLUMNS_MAX,
        simple::PARITY_DATA_MIN, simple::REPLICA_COLUMNS_MIN
    )]
    Family {
        /// The name as it was asked for.
        asked: String,
        /// A name that exists.
        nearest: String,
    },
    /// A known family, and behind the colon no plain number.
    #[error(
        "code \"{asked}\": expected a number of columns without sign or leading zero after the colon, for example {nearest}"
    )]
    Number {
        /// The name as it was asked for.
        asked: String,
        /// A name that exists.
        nearest: String,
    },
    /// A family that takes two numbers, and behind the colon not two plain numbers with a plus between.
    #[error(
        "code \"{asked}\": expected the numbers of data and parity columns without sign or leading zero as K+M after the colon, for example {nearest}"
    )]
    Numbers {
        /// The name as it was asked for.
        asked: String,
        /// A name that exists.
        nearest: String,
    },
    /// A B-code of a size that is not built.
    #[error(
        "code \"{asked}\": a B-code has {} to {} columns here, not {found}; the nearest is {nearest}",
        b_code::COLUMNS_MIN,
        b_code::COLUMNS_MAX
    )]
    BCodeColumns {
        /// The name as it was asked for.
        asked: String,
        /// The number of columns asked for.
        found: u64,
        /// The nearest name that exists.
        nearest: String,
    },
    /// An X-code of a size that does not exist or is not built.
    #[error("code \"{asked}\": an X-code needs a prime number of columns, here {} to {}, not {found}; the nearest is {nearest}",
        x_code::COLUMNS[0], x_code::COLUMNS[x_code::COLUMNS.len() - 1])]
    XCodeColumns {
        /// The name as it was asked for.
        asked: String,
        /// The number of columns asked for.
        found: u64,
        /// The nearest name that exists.
        nearest: String,
    },
    /// A dual B-code of a size for which no perfect one-factorisation is known here.
    #[error(
        "code \"{asked}\": a dual B-code has {} to {} columns here, but not 50, 51, 54 or 55, for want of a perfect one-factorisation, not {found}; the nearest is {nearest}",
        dual_b_code::COLUMNS_MIN,
        dual_b_code::COLUMNS_MAX
    )]
    DualBCodeColumns {
        /// The name as it was asked for.
        asked: String,
        /// The number of columns asked for.
        found: u64,
        /// The nearest name that exists.
        nearest: String,
    },
    /// An MDR code of a size that is not built.
    #[error(
        "code \"{asked}\": an MDR code has {} to {} columns here, for its rows double with each further one, not {found}; the nearest is {nearest}",
        mdr::COLUMNS_MIN,
        mdr::COLUMNS_MAX
    )]
    MdrColumns {
        /// The name as it was asked for.
        asked: String,
        /// The number of columns asked for.
        found: u64,
        /// The nearest name that exists.
        nearest: String,
    },
    /// A Reed-Solomon code of a size that is not built.
    #[error(
        "code \"{asked}\": a Reed-Solomon code has at least {RS_DATA_MIN} data columns and {RS_PARITY_MIN} parity column, at most {COLUMNS_MAX} together, not {data} and {parity}; the nearest is {nearest}"
    )]
    ReedSolomonColumns {
        /// The name as it was asked for.
        asked: String,
        /// The number of data columns asked for.
        data: u64,
        /// The number of parity columns asked for.
        parity: u64,
        /// The nearest name that exists.
        nearest: String,
    },
    /// A parity code of a size that is not built.
    #[error(
        "code \"{asked}\": a parity code has {} to {} data columns and one parity column, not {data} and {parity}; the nearest is {nearest}",
        simple::PARITY_DATA_MIN, COLUMNS_MAX - 1
    )]
    ParityColumns {
        /// The name as it was asked for.
        asked: String,
        /// The number of data columns asked for.
        data: u64,
        /// The number of parity columns asked for.
        parity: u64,
        /// The nearest name that exists.
        nearest: String,
    },
    /// A number of copies that is not built.
    #[error(
        "code \"{asked}\": there are {} to {COLUMNS_MAX} copies, not {found}; the nearest is {nearest}",
        simple::REPLICA_COLUMNS_MIN
    )]
    ReplicaColumns {
        /// The name as it was asked for.
        asked: String,
        /// The number of columns asked for.
        found: u64,
        /// The nearest name that exists.
        nearest: String,
    },
}

impl CodeError {
    /// A name that exists.
    pub fn nearest(&self) -> &str {
        match self {
            Self::Family { nearest, .. }
            | Self::Number { nearest, .. }
            | Self::Numbers { nearest, .. }
            | Self::BCodeColumns { nearest, .. }
            | Self::XCodeColumns { nearest, .. }
            | Self::DualBCodeColumns { nearest, .. }
            | Self::MdrColumns { nearest, .. }
            | Self::ReedSolomonColumns { nearest, .. }
            | Self::ParityColumns { nearest, .. }
            | Self::ReplicaColumns { nearest, .. } => nearest,
        }
    }
}

/// How a code is constructed, and how large it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    BCode { columns: usize },
    XCode { columns: usize },
    DualBCode { columns: usize },
    Mdr { columns: usize },
    ReedSolomon { data: usize, parity: usize },
    Parity { data: usize },
    Replica { columns: usize },
}

impl Shape {
    /// Counts the columns.
    pub(super) fn columns(self) -> usize {
        match self {
            Self::BCode { columns }
            | Self::XCode { columns }
            | Self::DualBCode { columns }
            | Self::Mdr { columns }
            | Self::Replica { columns } => columns,
            Self::ReedSolomon { data, parity } => data + parity,
            Self::Parity { data } => data + 1,
        }
    }

    /// Counts the cells of a column.
    pub(super) fn rows(self) -> usize {
        match self {
            Self::BCode { columns } => b_code::rows(columns),
            Self::XCode { columns } => columns,
            Self::DualBCode { columns } => columns / 2,
            Self::Mdr { columns } => mdr::rows(columns),
            Self::ReedSolomon { data, parity } => reed_solomon::rows(data + parity),
            Self::Parity { .. } | Self::Replica { .. } => 1,
        }
    }

    /// The name that stands for it.
    fn name(self) -> String {
        match self {
            Self::BCode { columns } => format!("b-code:{columns}"),
            Self::XCode { columns } => format!("x-code:{columns}"),
            Self::DualBCode { columns } => format!("dual-b-code:{columns}"),
            Self::Mdr { columns } => format!("mdr:{columns}"),
            Self::ReedSolomon { data, parity } => format!("rs:{data}+{parity}"),
            Self::Parity { data } => format!("parity:{data}+1"),
            Self::Replica { columns } => format!("replica:{columns}"),
        }
    }
}

/// Reads a name.
pub(super) fn parse(asked: &str) -> Result<Shape, CodeError> {
    let (family, size) = asked.split_once(':').unwrap_or((asked, ""));
    match family {
        "b-code" => {
            let refuse = |asked, found, nearest| CodeError::BCodeColumns { asked, found, nearest };
            of_columns(asked, size, b_codes(), refuse)
        }
        "x-code" => {
            let refuse = |asked, found, nearest| CodeError::XCodeColumns { asked, found, nearest };
            of_columns(asked, size, x_codes(), refuse)
        }
        "dual-b-code" => {
            let refuse = |asked, found, nearest| CodeError::DualBCodeColumns { asked, found, nearest };
            of_columns(asked, size, dual_b_codes(), refuse)
        }
        "mdr" => {
            let refuse = |asked, found, nearest| CodeError::MdrColumns { asked, found, nearest };
            of_columns(asked, size, mdr_codes(), refuse)
        }
        "replica" => {
            let built = (simple::REPLICA_COLUMNS_MIN..=COLUMNS_MAX).map(|columns| Shape::Replica { columns });
            let refuse = |asked, found, nearest| CodeError::ReplicaColumns { asked, found, nearest };
            of_columns(asked, size, built, refuse)
        }
        "rs" => of_two_numbers(asked, size),
        "parity" => parity(asked, size),
        _ => Err(CodeError::Family { asked: asked.to_owned(), nearest: probably(family, size) }),
    }
}

/// The names of families, as they are written.
const FAMILIES: [&str; 7] = ["b-code", "x-code", "dual-b-code", "mdr", "rs", "parity", "replica"];

/// The name that was probably meant by one of no family: written in capitals, or with other marks between the words.
fn probably(family: &str, size: &str) -> String {
    let letters =
        |name: &str| name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    let meant = FAMILIES.into_iter().find(|known| letters(known) == letters(family));
    let meant = meant.map(|family| match parse(&format!("{family}:{size}")) {
        Ok(shape) => shape.name(),
        Err(error) => error.nearest().to_owned(),
    });
    meant.unwrap_or_else(|| Shape::BCode { columns: b_code::COLUMNS_MIN }.name())
}

fn b_codes() -> impl Iterator<Item = Shape> {
    (b_code::COLUMNS_MIN..=b_code::COLUMNS_MAX).map(|columns| Shape::BCode { columns })
}

fn x_codes() -> impl Iterator<Item = Shape> {
    x_code::COLUMNS.into_iter().map(|columns| Shape::XCode { columns })
}

fn dual_b_codes() -> impl Iterator<Item = Shape> {
    let sizes = dual_b_code::COLUMNS_MIN..=dual_b_code::COLUMNS_MAX;
    sizes.filter(|&columns| dual_b_code::is_built(columns)).map(|columns| Shape::DualBCode { columns })
}

fn mdr_codes() -> impl Iterator<Item = Shape> {
    (mdr::COLUMNS_MIN..=mdr::COLUMNS_MAX).map(|columns| Shape::Mdr { columns })
}

/// Reads a number of columns, and finds that one of the codes that are built, in ascending order, or the nearest: of two
/// equally near ones the larger, which stores less parity.
fn of_columns(
    asked: &str,
    size: &str,
    built: impl Iterator<Item = Shape>,
    refuse: impl FnOnce(String, u64, String) -> CodeError,
) -> Result<Shape, CodeError> {
    let built: Vec<Shape> = built.collect();
    let found =
        plain_number(size).ok_or_else(|| CodeError::Number { asked: asked.to_owned(), nearest: built[0].name() })?;
    let near = |shape: &&Shape| (shape.columns() as u64).abs_diff(found);
    let nearest = built.iter().rev().min_by_key(near).unwrap_or(&built[0]);
    if nearest.columns() as u64 == found {
        return Ok(*nearest);
    }
    Err(refuse(asked.to_owned(), found, nearest.name()))
}

/// Reads the numbers of data and parity columns.
fn two_numbers(asked: &str, size: &str, example: Shape) -> Result<(u64, u64), CodeError> {
    let numbers = size.split_once('+').and_then(|(data, parity)| Some((plain_number(data)?, plain_number(parity)?)));
    numbers.ok_or_else(|| CodeError::Numbers { asked: asked.to_owned(), nearest: example.name() })
}

/// The nearest size that is built keeps the parity columns asked for where it can.
fn of_two_numbers(asked: &str, size: &str) -> Result<Shape, CodeError> {
    let (data, parity) = two_numbers(asked, size, Shape::ReedSolomon { data: 4, parity: 2 })?;
    let nearest_parity = within(parity, RS_PARITY_MIN, COLUMNS_MAX - RS_DATA_MIN);
    let nearest_data = within(data, RS_DATA_MIN, COLUMNS_MAX - nearest_parity);
    let nearest = Shape::ReedSolomon { data: nearest_data, parity: nearest_parity };
    if (nearest_data as u64, nearest_parity as u64) == (data, parity) {
        return Ok(nearest);
    }
    Err(CodeError::ReedSolomonColumns { asked: asked.to_owned(), data, parity, nearest: nearest.name() })
}

/// With more parity columns than one, what was meant is a Reed-Solomon code.
fn parity(asked: &str, size: &str) -> Result<Shape, CodeError> {
    let (data, parity) = two_numbers(asked, size, Shape::Parity { data: 4 })?;
    let nearest = Shape::Parity { data: within(data, simple::PARITY_DATA_MIN, COLUMNS_MAX - 1) };
    if nearest == (Shape::Parity { data: usize::try_from(data).unwrap_or(usize::MAX) }) && parity == 1 {
        return Ok(nearest);
    }
    let of_reed_solomon = match of_two_numbers(asked, size) {
        Ok(shape) if parity > 1 => shape,
        _ => nearest,
    };
    Err(CodeError::ParityColumns { asked: asked.to_owned(), data, parity, nearest: of_reed_solomon.name() })
}

fn within(number: u64, min: usize, max: usize) -> usize {
    usize::try_from(number).map_or(max, |number| number.clamp(min, max))
}

/// Reads digits only, in the one way that they are printed: a code has one name. A number beyond all is the largest.
fn plain_number(text: &str) -> Option<u64> {
    let is_plain = text == "0" || text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    (is_plain && !text.is_empty()).then(|| text.parse().unwrap_or(u64::MAX))
}

/// Lists names.
pub(super) fn all() -> impl Iterator<Item = String> {
    let reed_solomon = RS_LISTED.into_iter().map(|(data, parity)| Shape::ReedSolomon { data, parity });
    let parity = PARITY_LISTED.into_iter().map(|data| Shape::Parity { data });
    let replica = REPLICA_LISTED.into_iter().map(|columns| Shape::Replica { columns });
    let by_columns = b_codes().chain(x_codes()).chain(dual_b_codes()).chain(mdr_codes());
    by_columns.chain(reed_solomon).chain(parity).chain(replica).map(Shape::name)
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
        assert_eq!(names.len(), 62 + 16 + 54 + 5 + 10 + 3 + 3);
        for name in names {
            assert_eq!(parse(&name).unwrap().name(), name);
        }
    }

    #[test]
    fn unknown_family() {
        assert!(matches!(parse("z-code:4"), Err(CodeError::Family { .. })));
        assert!(matches!(parse(""), Err(CodeError::Family { .. })));
        assert!(message("B-code:4").contains("\"B-code:4\""));
        for (asked, nearest) in [
            ("B-CODE:6", "b-code:6"),
            ("b_code:7", "b-code:7"),
            ("bcode:66", "b-code:65"),
            ("RS:4+2", "rs:4+2"),
            ("Xcode", "x-code:5"),
            ("raid:6", "b-code:4"),
        ] {
            assert!(message(asked).ends_with(&format!(", for example {nearest}")), "{asked}: {}", message(asked));
        }
        assert!(message("RS:4+2").contains("rs:K+M (K from 2, M from 1, K + M up to 255)"));
        assert!(
            message("raid").contains("x-code:P (P prime, 5 to 61), dual-b-code:N (N = 4 to 61), mdr:N (N = 4 to 8)")
        );
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
        assert!(message("b-code:3").ends_with("4 to 65 columns here, not 3; the nearest is b-code:4"));
        assert!(message("b-code:66").ends_with("not 66; the nearest is b-code:65"));
        for large in ["18446744073709551615", "1000000000000000000000"] {
            assert!(message(&format!("b-code:{large}")).ends_with("the nearest is b-code:65"));
        }
        for (asked, nearest) in [(3, 4), (50, 49), (51, 52), (54, 53), (55, 56), (62, 61)] {
            let refused = message(&format!("dual-b-code:{asked}"));
            assert!(refused.ends_with(&format!("not {asked}; the nearest is dual-b-code:{nearest}")), "{refused}");
        }
        assert!(
            message("mdr:3").ends_with(
                "4 to 8 columns here, for its rows double with each further one, not 3; the nearest is mdr:4"
            )
        );
        assert!(message("mdr:9").ends_with("not 9; the nearest is mdr:8"));
        assert!(message("replica:1").ends_with("2 to 255 copies, not 1; the nearest is replica:2"));
        assert!(message("replica:256").ends_with("the nearest is replica:255"));
    }

    #[test]
    fn sizes_that_are_not_prime() {
        assert!(message("x-code:6").ends_with("not 6; the nearest is x-code:7"));
        assert!(message("x-code:9").ends_with("not 9; the nearest is x-code:11"));
        assert!(message("x-code:3").ends_with("not 3; the nearest is x-code:5"));
        assert!(message("x-code:49").ends_with("not 49; the nearest is x-code:47"));
        assert!(message("x-code:67").ends_with("5 to 61, not 67; the nearest is x-code:61"));
    }

    #[test]
    fn parity_codes_that_are_not_built() {
        for (asked, nearest) in [
            ("parity:1+1", "parity:2+1"),
            ("parity:255+1", "parity:254+1"),
            ("parity:4+0", "parity:4+1"),
            ("parity:4+2", "rs:4+2"),
            ("parity:300+2", "parity:254+1"),
        ] {
            assert!(matches!(parse(asked), Err(CodeError::ParityColumns { .. })), "{asked}");
            assert!(message(asked).ends_with(&format!("the nearest is {nearest}")), "{asked}");
        }
        assert_eq!(parse("parity:254+1"), Ok(Shape::Parity { data: 254 }));
        assert!(message("parity:4").ends_with("for example parity:4+1"));
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
        assert!(refused.contains("at least 2 data columns and 1 parity column, at most 255 together, not 1 and 2"));
        for (asked, nearest) in [
            ("rs:1+2", "rs:2+2"),
            ("rs:0+0", "rs:2+1"),
            ("rs:4+0", "rs:4+1"),
            ("rs:300+2", "rs:253+2"),
            ("rs:2+300", "rs:2+253"),
            ("rs:200+56", "rs:199+56"),
            ("rs:18446744073709551615+18446744073709551615", "rs:2+253"),
        ] {
            assert!(message(asked).ends_with(&format!("the nearest is {nearest}")), "{asked}");
            assert!(parse(nearest).is_ok(), "{nearest}");
        }
        assert_eq!(parse("rs:245+10"), Ok(Shape::ReedSolomon { data: 245, parity: 10 }));
    }
}
