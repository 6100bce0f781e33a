//! Array codes: which cells a stripe has, and which data cells each parity cell is the XOR of.

mod b_code;
mod dual_b_code;
mod factors;
mod mdr;
mod name;
mod reed_solomon;
mod simple;
mod x_code;

use core::fmt;
use core::str::FromStr;

pub use name::CodeError;

/// The place of one cell in a stripe.
///
/// Ordered by column, then row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cell {
    /// Column, that is, which node stores it.
    pub column: u16,
    /// Row in the column.
    pub row: u16,
}

impl Cell {
    /// Names a cell by its column and its row.
    ///
    /// # Panics
    /// When one of them does not fit 16 bits.
    pub fn new(column: usize, row: usize) -> Self {
        let fit = |number: usize| u16::try_from(number).expect("columns and rows are counted in 16 bits");
        Self { column: fit(column), row: fit(row) }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "({}, {})", self.row, self.column)
    }
}

/// What a cell holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CellKind<'code> {
    /// Bytes of the title.
    Data {
        /// Its place in the stripe's byte order.
        index: usize,
    },
    /// The XOR of data cells.
    Parity {
        /// Those data cells, in ascending order.
        of: &'code [Cell],
    },
}

/// An XOR-only array code: n columns of equally many cells, any k of which give back the rest.
///
/// Shape: the data cells of a column are its first rows, its parity cells the rows below; some columns have only one
/// kind. The byte order of a stripe's
/// data runs through the data cells row by row, each row over the columns from the first to the last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    name: String,
    columns: usize,
    rows: usize,
    tolerates: usize,
    /// The leading columns that can be turned.
    turning: usize,
    /// The data cells in byte order.
    data_cells: Vec<Cell>,
    /// What each cell holds, column after column.
    contents: Vec<Content>,
    /// For each column, cells that give it back and are fewer than k columns; none where the construction knows of none.
    repairs: Vec<Vec<Cell>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Content {
    Data(usize),
    Parity {
        /// Data cells.
        of: Vec<Cell>,
        /// What it is made of, where that is fewer cells and some of them parity cells.
        from: Option<Vec<Cell>>,
    },
}

/// What a construction gives: for each column its parity cells, from the first parity row down, each as the cells it is
/// made of. These are data cells, or parity cells of earlier columns.
struct Construction {
    rows: usize,
    /// Columns that it can lose, n - k.
    tolerates: usize,
    parities: Vec<Vec<Vec<Cell>>>,
}

impl Code {
    /// Finds a code by its name: `b-code:N` (N columns, 4 to 65), `x-code:P` (P columns, prime, 5 to 61),
    /// `dual-b-code:N` (N columns, 4 to 61, any 2 of which suffice; not 50, 51, 54, 55), `mdr:N` (N columns, 4 to 8), `rs:K+M` (K data columns, at
    /// least 2, and M parity columns, at least 1), `parity:K+1` (K data columns, at least 2) or `replica:N` (N copies, at
    /// least 2); none has more than 255 columns.
    ///
    /// Each name is of one code for ever: column files depend on its equations.
    ///
    /// # Errors
    /// The name is of no code: what was asked, why not, and the nearest that exists.
    pub fn named(name: &str) -> Result<Self, CodeError> {
        let shape = name::parse(name)?;
        let construction = match shape {
            name::Shape::BCode { columns } => b_code::construct(columns),
            name::Shape::XCode { columns } => x_code::construct(columns),
            name::Shape::DualBCode { columns } => dual_b_code::construct(columns),
            name::Shape::Mdr { columns } => mdr::construct(columns),
            name::Shape::ReedSolomon { data, parity } => reed_solomon::construct(data, parity),
            name::Shape::Parity { data } => simple::parity(data),
            name::Shape::Replica { columns } => simple::replica(columns),
        };
        let mut code = Self::of(name, construction);
        if let name::Shape::Mdr { columns } = shape {
            code.repairs = (0..columns).map(|lost| mdr::repair_cells(columns, lost)).collect();
        }
        Ok(code)
    }

    /// Tells the columns and rows of a code by its name, without constructing it.
    ///
    /// # Errors
    /// As [`Code::named`].
    pub fn size_of(name: &str) -> Result<(usize, usize), CodeError> {
        let shape = name::parse(name)?;
        Ok((shape.columns(), shape.rows()))
    }

    /// Lists the names of codes: all B-codes, their duals and X-codes; of the other families some that are in use.
    pub fn names() -> impl Iterator<Item = String> {
        name::all()
    }

    fn of(name: &str, construction: Construction) -> Self {
        let Construction { rows, tolerates, parities } = construction;
        let columns = parities.len();
        let data_rows: Vec<usize> = parities.iter().map(|column| rows - column.len()).collect();
        let mut data_cells = Vec::new();
        let mut contents = vec![Content::Data(0); columns * rows];
        for row in 0..rows {
            for column in (0..columns).filter(|&column| row < data_rows[column]) {
                contents[column * rows + row] = Content::Data(data_cells.len());
                data_cells.push(Cell::new(column, row));
            }
        }
        for (column, parities) in parities.into_iter().enumerate() {
            for (below, from) in parities.into_iter().enumerate() {
                let parity = parity(&contents, rows, from);
                contents[column * rows + data_rows[column] + below] = parity;
            }
        }
        let mut code = Self {
            name: name.to_owned(),
            columns,
            rows,
            tolerates,
            turning: 0,
            data_cells,
            contents,
            repairs: Vec::new(),
        };
        code.turning = [columns, columns - 1].into_iter().find(|&turning| code.turns(turning)).unwrap_or(0);
        code
    }

    /// Tells whether the code stays the same when each of its first `turning` columns takes the next one's place, and
    /// each row of the others the next row's.
    fn turns(&self, turning: usize) -> bool {
        let turned = |cell: &Cell| self.turned(*cell, 1, turning);
        self.cells().all(|cell| match (self.cell(cell), self.cell(turned(&cell))) {
            (CellKind::Data { .. }, CellKind::Data { .. }) => true,
            (CellKind::Parity { of }, CellKind::Parity { of: expected }) => {
                let mut of: Vec<Cell> = of.iter().map(turned).collect();
                of.sort_unstable();
                of == expected
            }
            (CellKind::Data { .. }, CellKind::Parity { .. }) | (CellKind::Parity { .. }, CellKind::Data { .. }) => {
                false
            }
        })
    }

    fn turned(&self, cell: Cell, by: usize, turning: usize) -> Cell {
        let (column, row) = (usize::from(cell.column), usize::from(cell.row));
        if column < turning {
            Cell::new((column + by) % turning, row)
        } else {
            Cell::new(column, (row + by) % self.rows)
        }
    }

    /// Gives the name, by which [`Code::named`] finds the code again.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Counts the columns, n.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Counts the cells of a column.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Counts the columns that suffice to give back all the others, k. A stripe's data fill as many columns.
    pub fn data_columns(&self) -> usize {
        self.columns() - self.tolerates
    }

    /// Counts the columns that may be lost, n - k.
    pub fn tolerates(&self) -> usize {
        self.tolerates
    }

    /// Counts the leading columns that can be turned: when each takes the place of the next one, and the last of them
    /// that of the first, and in the columns behind them each row takes the place of the next row, then every parity
    /// cell is again the XOR of the same data cells. What recovers columns a and b then also recovers a + 1 and b + 1. 0
    /// when the construction has no such symmetry.
    pub fn turning_columns(&self) -> usize {
        self.turning
    }

    /// Counts the data cells of a stripe.
    pub fn data_cell_count(&self) -> usize {
        self.data_cells.len()
    }

    /// Tells what a cell holds.
    ///
    /// # Panics
    /// When the code has no such cell; [`Code::contains`] tells.
    pub fn cell(&self, cell: Cell) -> CellKind<'_> {
        assert!(self.contains(cell), "{} has no cell {cell}", self.name);
        match &self.contents[usize::from(cell.column) * self.rows + usize::from(cell.row)] {
            Content::Data(index) => CellKind::Data { index: *index },
            Content::Parity { of, .. } => CellKind::Parity { of },
        }
    }

    /// Tells whether the code has such a cell.
    pub fn contains(&self, cell: Cell) -> bool {
        usize::from(cell.column) < self.columns && usize::from(cell.row) < self.rows
    }

    /// Gives the data cell at a place in the stripe's byte order.
    ///
    /// # Panics
    /// When there are no more than `index` data cells.
    pub fn data_cell(&self, index: usize) -> Cell {
        self.data_cells[index]
    }

    /// Counts the data cells of a column, which are its rows from 0.
    ///
    /// # Panics
    /// When there are no more than `column` columns.
    pub fn data_rows(&self, column: usize) -> usize {
        let contents = &self.contents[column * self.rows..][..self.rows];
        contents.iter().filter(|content| matches!(content, Content::Data(_))).count()
    }

    /// Gives cells of other columns from which the construction rebuilds one, where it was made for that: of an MDR code
    /// half of each column, for its last one k whole columns. `None` for other codes, and columns that the code does not
    /// have.
    pub fn repair_cells(&self, column: usize) -> Option<&[Cell]> {
        self.repairs.get(column).map(Vec::as_slice)
    }

    /// Walks over all cells, column by column.
    pub fn cells(&self) -> impl Iterator<Item = Cell> {
        let rows = self.rows;
        (0..self.columns).flat_map(move |column| (0..rows).map(move |row| Cell::new(column, row)))
    }

    /// Walks over the parity cells, column by column, each with the data cells it is the XOR of.
    pub fn parity_cells(&self) -> impl Iterator<Item = (Cell, &[Cell])> {
        self.cells().zip(&self.contents).filter_map(|(cell, content)| match content {
            Content::Data(_) => None,
            Content::Parity { of, .. } => Some((cell, of.as_slice())),
        })
    }

    /// Walks over the parity equations as sparse as they are: the parity cells, column by column, each with cells whose XOR
    /// it is. Those are the data cells of [`Code::parity_cells`], but for a few parity cells of shortened B-codes, which are
    /// made of data cells and parity cells walked over before.
    pub fn equations(&self) -> impl Iterator<Item = (Cell, &[Cell])> {
        self.cells().zip(&self.contents).filter_map(|(cell, content)| match content {
            Content::Data(_) => None,
            Content::Parity { of, from } => Some((cell, from.as_ref().unwrap_or(of).as_slice())),
        })
    }
}

/// Writes out what a parity cell is made of as data cells.
fn parity(contents: &[Content], rows: usize, mut from: Vec<Cell>) -> Content {
    from.sort_unstable();
    let content = |cell: &Cell| &contents[usize::from(cell.column) * rows + usize::from(cell.row)];
    if from.iter().all(|cell| matches!(content(cell), Content::Data(_))) {
        return Content::Parity { of: from, from: None };
    }
    let mut members: Vec<Cell> = Vec::new();
    for cell in &from {
        match content(cell) {
            Content::Data(_) => members.push(*cell),
            Content::Parity { of, .. } => members.extend(of),
        }
    }
    members.sort_unstable();
    // A cell that is in an even number of them is in none.
    let odd = members.chunk_by(|a, b| a == b).filter(|same| same.len() % 2 == 1);
    Content::Parity { of: odd.map(|same| same[0]).collect(), from: Some(from) }
}

impl FromStr for Code {
    type Err = CodeError;

    fn from_str(name: &str) -> Result<Self, CodeError> {
        Self::named(name)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.name)
    }
}
