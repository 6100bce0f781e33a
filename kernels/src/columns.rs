//! Programs over columns in which cells lie interleaved: the layout in which XOR is fastest.

use core::fmt;

use thiserror::Error;

use crate::straight::{self, StraightLine, add};
use crate::stream::STREAM_ALIGNMENT;
use crate::Program;

/// Bytes of a cache line.
pub const LINE_BYTES: usize = 64;

/// A cell of an interleaved column: packet by packet, each row has one packet's worth of lines.
///
/// Ordered by column, then row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Column.
    pub column: u16,
    /// Row in the column.
    pub row: u16,
}

impl Place {
    /// Names a cell by its column and its row.
    ///
    /// # Panics
    /// When one of them does not fit 16 bits.
    pub fn new(column: usize, row: usize) -> Self {
        let fit = |number: usize| u16::try_from(number).expect("columns and rows are numbered with 16 bits");
        Self { column: fit(column), row: fit(row) }
    }
}

/// Cache lines that a packet has of one cell before the next row's begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lines {
    /// 64 bytes.
    One,
    /// 128 bytes.
    Two,
}

impl Lines {
    /// Both, the smaller first.
    pub const ALL: [Self; 2] = [Self::One, Self::Two];

    /// Counts their bytes.
    pub fn bytes(self) -> usize {
        match self {
            Self::One => LINE_BYTES,
            Self::Two => 2 * LINE_BYTES,
        }
    }
}

/// How outputs are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stores {
    /// Into the caches.
    Normal,
    /// Past them, straight to memory: for outputs that nobody reads soon and that do not fit the caches.
    Streaming,
}

impl Stores {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Normal, Self::Streaming];
}

/// What an output cell is the XOR of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Sum {
    pub(crate) output: Place,
    /// Sorted.
    pub(crate) inputs: Vec<Place>,
}

/// A program whose cells have places in columns.
///
/// Shape: a column holds packets, one after the other; a packet holds [`Lines::bytes`] of row 0, as many of row 1, and
/// so on. All columns are of one length, a multiple of a packet's.
#[derive(Clone)]
pub struct ColumnProgram {
    columns: usize,
    rows: usize,
    program: Program,
    /// The places of all cells of the program, inputs first.
    places: Vec<Place>,
    /// The first column whose rows turn; so do all behind it.
    turning: usize,
    body: Option<&'static StraightLine>,
}

/// Why a program and places do not make a program over columns.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ColumnProgramError {
    /// More or fewer places than cells.
    #[error("a program of {cells} cells with places for {places}")]
    PlaceCount {
        /// Cells of the program, inputs and outputs.
        cells: usize,
        /// Places given.
        places: usize,
    },
    /// A place outside the columns.
    #[error("cell {cell} has its place in row {} of column {}; there are {rows} rows and {columns} columns", place.row, place.column)]
    OutOfRange {
        /// The cell's number.
        cell: usize,
        /// Its place.
        place: Place,
        /// Columns there are.
        columns: usize,
        /// Rows there are.
        rows: usize,
    },
    /// Two cells with one place.
    #[error("cells {first} and {second} have one place, row {} of column {}", place.row, place.column)]
    SharedPlace {
        /// The one cell's number.
        first: usize,
        /// The other's.
        second: usize,
        /// The place.
        place: Place,
    },
}

impl ColumnProgram {
    /// Gives the cells of a program places in columns.
    ///
    /// Shape: `places` are those of all inputs, then of all outputs, each in another place.
    /// Cost: tens of microseconds; keep it.
    ///
    /// # Errors
    /// One per rule: see [`ColumnProgramError`].
    pub fn new(
        columns: usize,
        rows: usize,
        program: Program,
        places: Vec<Place>,
    ) -> Result<Self, ColumnProgramError> {
        let cells = program.input_count() + program.output_count();
        if places.len() != cells {
            return Err(ColumnProgramError::PlaceCount { cells, places: places.len() });
        }
        let mut numbered: Vec<(Place, usize)> = places.iter().copied().zip(0..).collect();
        numbered.sort_unstable();
        let outside = |&&(place, _): &&(Place, usize)| {
            usize::from(place.column) >= columns || usize::from(place.row) >= rows
        };
        if let Some(&(place, cell)) = numbered.iter().find(outside) {
            return Err(ColumnProgramError::OutOfRange { cell, place, columns, rows });
        }
        if let Some(pair) = numbered.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            let ((place, first), (_, second)) = (pair[0], pair[1]);
            return Err(ColumnProgramError::SharedPlace { first, second, place });
        }
        let body = straight::find(columns, rows, columns, &sums(&program, &places));
        Ok(Self { columns, rows, program, places, turning: columns, body })
    }

    /// Says that the rows of column `first` and those behind it turn when the program runs turned
    /// ([`Kernel::run_turned`](crate::Kernel::run_turned)).
    #[must_use]
    pub fn with_turning(mut self, first: usize) -> Self {
        self.turning = first.min(self.columns);
        self.body = straight::find(self.columns, self.rows, self.turning, &sums(&self.program, &self.places));
        self
    }

    pub(crate) fn turns(&self, column: u16) -> bool {
        usize::from(column) >= self.turning
    }

    /// Names the straight-line body that runs it, where there is one; the others are interpreted.
    pub fn body_name(&self) -> Option<&'static str> {
        self.body.map(|body| body.name)
    }

    /// Counts the columns.
    pub fn column_count(&self) -> usize {
        self.columns
    }

    /// Counts the cells of a column.
    pub fn row_count(&self) -> usize {
        self.rows
    }

    pub(crate) fn body(&self) -> Option<&'static StraightLine> {
        self.body
    }

    pub(crate) fn program(&self) -> &Program {
        &self.program
    }

    pub(crate) fn places(&self) -> &[Place] {
        &self.places
    }

    /// Checks that columns fit, and chooses ordinary stores where an output's column begins at no line.
    ///
    /// # Panics
    /// When the number of columns differs, their lengths differ, or are no multiple of a packet's.
    pub(crate) fn check(&self, lines: Lines, stores: Stores, columns: &[&mut [u8]]) -> Stores {
        assert_eq!(columns.len(), self.columns, "number of columns");
        let length = columns.first().map_or(0, |column| column.len());
        for column in columns {
            assert_eq!(column.len(), length, "length of a column");
        }
        let packet_bytes = self.rows * lines.bytes();
        assert!(length.is_multiple_of(packet_bytes), "a column of {length} bytes in packets of {packet_bytes}");
        let is_aligned = |column: &&mut [u8]| column.as_ptr().addr().is_multiple_of(STREAM_ALIGNMENT);
        if columns.iter().all(is_aligned) { stores } else { Stores::Normal }
    }
}

impl fmt::Debug for ColumnProgram {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = self.body_name().unwrap_or("interpreted");
        write!(formatter, "ColumnProgram({} columns of {} rows, {body})", self.columns, self.rows)
    }
}

/// What each output is the XOR of, as cells that no step defines; sorted.
fn sums(program: &Program, places: &[Place]) -> Vec<Sum> {
    let mut values: Vec<Vec<Place>> = places[..program.input_count()].iter().map(|&place| vec![place]).collect();
    for sources in program.steps() {
        let mut value = Vec::new();
        sources.iter().for_each(|&source| add(&mut value, &values[usize::from(source)]));
        values.push(value);
    }
    let outputs = places.iter().copied().zip(values).skip(program.input_count());
    let mut sums: Vec<Sum> = outputs.map(|(output, inputs)| Sum { output, inputs }).collect();
    sums.sort_unstable();
    sums
}
