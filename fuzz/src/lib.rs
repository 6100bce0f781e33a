//! What several targets share: which codes are tried, and codecs of them on every instruction set.

use std::sync::{Arc, OnceLock};

use rain_codec::{Code, Kernel};

/// Codes of more cells take so long to prepare that little else would be tried.
pub const CELLS_MAX: usize = 300;

/// Wider ones that are tried too where that is quick enough: shortened B-codes, and Reed-Solomon codes that lose many columns.
const WIDE: [&str; 9] =
    ["b-code:33", "b-code:50", "b-code:64", "x-code:29", "dual-b-code:25", "rs:12+6", "rs:9+9", "rs:24+8", "rs:3+12"];

/// Gives all codes that have at most so many cells.
///
/// # Panics
/// When a listed code cannot be made.
pub fn codes(cells_max: usize) -> impl Iterator<Item = Arc<Code>> {
    // A code of N columns that is named by them has at least N * N / 3 cells, but for a replica, of which few are listed.
    // To make all the wide ones first would take seconds under the sanitizer.
    let columns = |name: &str| name.rsplit_once(':').and_then(|(_, columns)| columns.parse::<usize>().ok());
    let names =
        Code::names().filter(move |name| columns(name).is_none_or(|columns| columns * columns / 3 <= cells_max));
    let codes = names.map(|name| Arc::new(Code::named(&name).expect("a listed code")));
    codes.filter(move |code| code.columns() * code.rows() <= cells_max)
}

/// Something made for a code and an instruction set.
type Prepared<C> = (Arc<Code>, Kernel, OnceLock<C>);

/// A codec for each small code on each instruction set, made when it is first asked for.
#[derive(Debug)]
pub struct Codecs<C> {
    new: fn(Arc<Code>, Kernel) -> C,
    all: Vec<Prepared<C>>,
}

impl<C> Codecs<C> {
    /// Lists them.
    pub fn new(new: fn(Arc<Code>, Kernel) -> C) -> Self {
        Self::of(new, codes(CELLS_MAX))
    }

    /// Lists them, and some for wider codes.
    ///
    /// # Panics
    /// When one of those cannot be made.
    pub fn with_wide(new: fn(Arc<Code>, Kernel) -> C) -> Self {
        let wide = WIDE.iter().map(|name| Arc::new(Code::named(name).expect("a code")));
        Self::of(new, codes(CELLS_MAX).chain(wide))
    }

    fn of(new: fn(Arc<Code>, Kernel) -> C, codes: impl Iterator<Item = Arc<Code>>) -> Self {
        let each = |code: Arc<Code>| {
            Kernel::available().into_iter().map(move |kernel| (Arc::clone(&code), kernel, OnceLock::new()))
        };
        Self { new, all: codes.flat_map(each).collect() }
    }

    /// Gives one of them, whatever the number.
    pub fn choose(&self, choice: u16) -> &C {
        let (code, kernel, codec) = &self.all[usize::from(choice) % self.all.len()];
        codec.get_or_init(|| (self.new)(Arc::clone(code), *kernel))
    }
}
