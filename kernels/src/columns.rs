//! Programs over columns in which cells lie interleaved: the layout in which XOR is fastest.

use core::fmt;

use crate::Program;
use crate::memory::LINE_BYTES;
use crate::straight::{self, StraightLine, add};

/// A cell by its column and its row.
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

/// Where the cells of a column lie, and thereby how outputs are written fastest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layout {
    /// One after the other, each in one piece; written as [`Stores`] says.
    Cells,
    /// Line by line: the first 64 bytes of each row, then the next 64 bytes of each, and so on. Written by normal stores:
    /// the fastest where stripes are in the caches.
    Interleaved,
    /// The upper rows of a column interleaved, and behind them its lower rows. Written by streaming stores where all
    /// columns begin at multiples of 64 bytes: the fastest where stripes come from memory and go there. Others are
    /// interpreted.
    Divided,
}

impl Layout {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Cells, Self::Interleaved, Self::Divided];

    /// Gives the number of bytes of which a column of `rows` cells is a multiple.
    pub fn grain(self, rows: usize) -> usize {
        match self {
            Self::Cells => rows,
            Self::Interleaved | Self::Divided => rows * LINE_BYTES,
        }
    }
}

/// What the columns of a program are like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnShape {
    /// Cells of a column.
    pub rows: usize,
    /// For each column, how many of its rows are in the upper part where it is divided.
    pub upper: Vec<usize>,
    /// The first column whose rows turn when a program runs turned; so do all behind it. These have no lower part.
    pub turning: usize,
}

impl ColumnShape {
    /// Makes the shape of columns that are not divided and do not turn.
    pub fn plain(columns: usize, rows: usize) -> Self {
        Self { rows, upper: vec![rows; columns], turning: columns }
    }

    /// Finds line `line` of a cell in an interleaved or divided column whose cells have `lines`.
    pub(crate) fn line(&self, layout: Layout, column: usize, row: usize, line: usize, lines: usize) -> usize {
        let upper = if layout == Layout::Divided { self.upper[column] } else { self.rows };
        if row < upper { line * upper + row } else { lines * upper + line * (self.rows - upper) + (row - upper) }
    }

    /// The row in which a cell is found when a program runs turned.
    pub(crate) fn turned_row(&self, place: Place, turn: usize) -> usize {
        let row = usize::from(place.row);
        if usize::from(place.column) < self.turning { row } else { (row + turn) % self.rows }
    }
}

/// How outputs are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Stores {
    /// Into the caches.
    Normal = 0,
    /// Past them, straight to memory: for outputs that nobody reads soon and that do not fit the caches.
    Streaming = 1,
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
#[derive(Clone)]
pub struct ColumnProgram {
    shape: ColumnShape,
    program: Program,
    /// The places of all cells of the program, inputs first.
    places: Vec<Place>,
    body: Option<&'static StraightLine>,
}

/// Why a program and places do not make a program over columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ColumnProgramError {
    /// A column divided where it cannot be: beyond its rows, or although its rows turn.
    Divided {
        /// The column.
        column: usize,
        /// Rows of its upper part.
        upper: usize,
        /// Its rows.
        rows: usize,
    },
    /// More or fewer places than cells.
    PlaceCount {
        /// Cells of the program, inputs and outputs.
        cells: usize,
        /// Places given.
        places: usize,
    },
    /// A place outside the columns.
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
    SharedPlace {
        /// The one cell's number.
        first: usize,
        /// The other's.
        second: usize,
        /// The place.
        place: Place,
    },
}

impl fmt::Display for ColumnProgramError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Divided { column, upper, rows } => {
                write!(formatter, "column {column} of {rows} rows has an upper part of {upper}")
            }
            Self::PlaceCount { cells, places } => {
                write!(formatter, "a program of {cells} cells with places for {places}")
            }
            Self::OutOfRange { cell, place: Place { column, row }, columns, rows } => write!(
                formatter,
                "cell {cell} has its place in row {row} of column {column}; there are {rows} rows and {columns} columns"
            ),
            Self::SharedPlace { first, second, place: Place { column, row } } => {
                write!(formatter, "cells {first} and {second} have one place, row {row} of column {column}")
            }
        }
    }
}

impl core::error::Error for ColumnProgramError {}

impl ColumnProgram {
    /// Gives the cells of a program places in columns.
    ///
    /// Shape: `places` are those of all inputs, then of all outputs, each in another place.
    /// Cost: tens of microseconds; keep it.
    ///
    /// # Errors
    /// One per rule: see [`ColumnProgramError`].
    pub fn new(shape: ColumnShape, program: Program, places: Vec<Place>) -> Result<Self, ColumnProgramError> {
        let (columns, rows) = (shape.upper.len(), shape.rows);
        if let Some((column, &upper)) = shape
            .upper
            .iter()
            .enumerate()
            .find(|&(column, &upper)| upper > rows || (column >= shape.turning && upper != rows))
        {
            return Err(ColumnProgramError::Divided { column, upper, rows });
        }
        let cells = program.input_count() + program.output_count();
        if places.len() != cells {
            return Err(ColumnProgramError::PlaceCount { cells, places: places.len() });
        }
        let mut numbered: Vec<(Place, usize)> = places.iter().copied().zip(0..).collect();
        numbered.sort_unstable();
        let outside =
            |&&(place, _): &&(Place, usize)| usize::from(place.column) >= columns || usize::from(place.row) >= rows;
        if let Some(&(place, cell)) = numbered.iter().find(outside) {
            return Err(ColumnProgramError::OutOfRange { cell, place, columns, rows });
        }
        if let Some(pair) = numbered.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            let ((place, first), (_, second)) = (pair[0], pair[1]);
            return Err(ColumnProgramError::SharedPlace { first, second, place });
        }
        let mut outputs = places[program.input_count()..].to_vec();
        outputs.sort_unstable();
        let body = straight::find(&shape, &outputs, || sums(&program, &places));
        Ok(Self { shape, program, places, body })
    }

    /// Names the straight-line body that runs it, where there is one; the others are interpreted.
    pub fn body_name(&self) -> Option<&'static str> {
        self.body.map(|body| body.name)
    }

    /// Gives the program.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// Gives the shape of the columns.
    pub fn shape(&self) -> &ColumnShape {
        &self.shape
    }

    pub(crate) fn body(&self) -> Option<&'static StraightLine> {
        self.body
    }

    pub(crate) fn places(&self) -> &[Place] {
        &self.places
    }

    /// Checks that columns fit, and returns their length.
    ///
    /// # Panics
    /// When the number of columns differs, or their lengths, or those do not suit the layout.
    pub(crate) fn column_len(&self, layout: Layout, columns: &[&mut [u8]]) -> usize {
        assert_eq!(columns.len(), self.shape.upper.len(), "number of columns");
        let length = columns.first().map_or(0, |column| column.len());
        for column in columns {
            assert_eq!(column.len(), length, "length of a column");
        }
        let grain = layout.grain(self.shape.rows);
        assert!(length.is_multiple_of(grain), "a column of {length} bytes is no multiple of {grain}");
        length
    }
}

/// Two programs of one shape are equal whether or not a body was found: which one is found follows from the rest.
impl PartialEq for ColumnProgram {
    fn eq(&self, other: &Self) -> bool {
        (&self.shape, &self.program, &self.places) == (&other.shape, &other.program, &other.places)
    }
}

impl Eq for ColumnProgram {}

impl fmt::Debug for ColumnProgram {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = self.body_name().unwrap_or("interpreted");
        write!(formatter, "ColumnProgram({} columns of {} rows, {body})", self.shape.upper.len(), self.shape.rows)
    }
}

/// What each output is the XOR of, as cells that no step defines; sorted.
fn sums(program: &Program, places: &[Place]) -> Vec<Sum> {
    let mut values: Vec<Vec<Place>> = places[..program.input_count()].iter().map(|&place| vec![place]).collect();
    for sources in program.steps() {
        let mut value = Vec::new();
        for &source in sources {
            add(&mut value, &values[usize::from(source)]);
        }
        values.push(value);
    }
    let outputs = places.iter().copied().zip(values).skip(program.input_count());
    let mut sums: Vec<Sum> = outputs.map(|(output, inputs)| Sum { output, inputs }).collect();
    sums.sort_unstable();
    sums
}
