//! A code as a picture: every parity cell has a colour, and every data cell the colours of the parity cells that it is in.

use super::figures::Figure;
use super::{Labels, warning};
use core::fmt::Write as _;
use rain_codec::{Cell, CellKind, Code};
use std::collections::BTreeMap;

const CELL_WIDTH: usize = 64;
const CELL_HEIGHT: usize = 36;
const GAP: usize = 8;
const MARGIN: usize = 28;
/// Where the array begins: below the title and the columns' numbers.
const TOP: usize = 104;
const FIGURE_HEIGHT: usize = 24;
/// Narrowest picture, so that the table of costs fits.
const WIDTH_MIN: usize = 760;
/// Most colours beside each other that can be told apart; data cells in more parities than that are grey.
const COLOURS_MAX: usize = 6;

/// Draws the array of cells and, below it, the costs.
pub(super) fn draw(code: &Code, figures: &[Figure]) -> String {
    let labels = Labels::of(code);
    let hues = Hues::of(code);
    let array_width = code.columns() * (CELL_WIDTH + GAP) - GAP;
    let width = (array_width + 2 * MARGIN).max(WIDTH_MIN);
    let array_height = code.rows() * (CELL_HEIGHT + GAP);
    let table_top = TOP + array_height + 40;
    let warning = warning(code);
    let height = table_top + (figures.len() + usize::from(warning.is_some())) * FIGURE_HEIGHT + MARGIN;
    let mut svg = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" aria-label="{code}" font-family="system-ui, sans-serif" font-size="14" fill="#1c2430">
<style>.d {{ fill: #1c2430 }} .p {{ fill: #fff; font-weight: 600 }} .s {{ fill: #5a6675 }} text {{ font-variant-numeric: tabular-nums }}</style>
<rect width="{width}" height="{height}" rx="12" fill="#fbfcfd"/>
<text x="{MARGIN}" y="40" font-size="22" font-weight="600">{code}</text>
<text x="{MARGIN}" y="64" class="s">any {} of {} columns give back the others; a data cell has the colours of the parity cells that it is in</text>
"##,
        code.data_columns(),
        code.columns(),
    );
    for column in 0..code.columns() {
        let x = MARGIN + column * (CELL_WIDTH + GAP) + CELL_WIDTH / 2;
        let _ = writeln!(svg, r#"<text x="{x}" y="{}" text-anchor="middle" class="s">{column}</text>"#, TOP - 10);
    }
    for cell in code.cells() {
        draw_cell(&mut svg, code, &labels, &hues, cell);
    }
    let mut y = table_top;
    for Figure { what, found, beside } in figures {
        let _ = writeln!(
            svg,
            r#"<text x="{MARGIN}" y="{y}">{what}</text><text x="{}" y="{y}" text-anchor="end" font-weight="600">{found}</text><text x="{}" y="{y}" class="s">{beside}</text>"#,
            MARGIN + 380,
            MARGIN + 400,
        );
        y += FIGURE_HEIGHT;
    }
    if let Some(warning) = warning {
        let _ = writeln!(svg, r##"<text x="{MARGIN}" y="{y}" fill="#a8320a">{warning}</text>"##);
    }
    svg += "</svg>\n";
    svg
}

fn draw_cell(svg: &mut String, code: &Code, labels: &Labels, hues: &Hues, cell: Cell) {
    let x = MARGIN + usize::from(cell.column) * (CELL_WIDTH + GAP);
    let y = TOP + usize::from(cell.row) * (CELL_HEIGHT + GAP);
    let label = labels.label(cell);
    let (class, explained) = match code.cell(cell) {
        CellKind::Parity { of } => {
            let hue = hues.of_parity(cell);
            let _ = write!(
                svg,
                r#"<g><rect x="{x}" y="{y}" width="{CELL_WIDTH}" height="{CELL_HEIGHT}" rx="6" fill="hsl({hue} 60% 36%)"/>"#
            );
            ("p", format!("{label} = {}", labels.sum(of)))
        }
        CellKind::Data { .. } => {
            let parities = hues.parities_of(cell);
            let _ = write!(
                svg,
                r##"<g><rect x="{x}" y="{y}" width="{CELL_WIDTH}" height="{CELL_HEIGHT}" rx="6" fill="#e6eaee"/>"##
            );
            if parities.len() <= COLOURS_MAX {
                draw_colours(svg, hues, parities, x, y);
            }
            let names: Vec<&str> = parities.iter().map(|&parity| labels.label(parity)).collect();
            ("d", format!("{label} is in {}", names.join(", ")))
        }
    };
    let (middle, line) = (x + CELL_WIDTH / 2, y + CELL_HEIGHT / 2 + 5);
    let _ = writeln!(
        svg,
        r#"<text x="{middle}" y="{line}" text-anchor="middle" class="{class}">{label}</text><title>{explained}</title></g>"#
    );
}

/// Stripes side by side, as wide as the cell together.
fn draw_colours(svg: &mut String, hues: &Hues, parities: &[Cell], x: usize, y: usize) {
    let count = parities.len().max(1);
    for (place, &parity) in parities.iter().enumerate() {
        let (left, right) = (CELL_WIDTH * place / count, CELL_WIDTH * (place + 1) / count);
        let hue = hues.of_parity(parity);
        let _ = write!(
            svg,
            r#"<rect x="{}" y="{y}" width="{}" height="{CELL_HEIGHT}" rx="4" fill="hsl({hue} 75% 82%)"/>"#,
            x + left,
            right - left
        );
    }
}

/// The colours of the parity cells, and the parity cells of the data cells.
struct Hues {
    of_parities: BTreeMap<Cell, usize>,
    parities: BTreeMap<Cell, Vec<Cell>>,
}

impl Hues {
    fn of(code: &Code) -> Self {
        let count = code.parity_cells().count().max(1);
        let of_parities =
            code.parity_cells().enumerate().map(|(place, (cell, _))| (cell, 360 * place / count)).collect();
        let mut parities: BTreeMap<Cell, Vec<Cell>> = BTreeMap::new();
        for (parity, of) in code.parity_cells() {
            for &cell in of {
                parities.entry(cell).or_default().push(parity);
            }
        }
        Self { of_parities, parities }
    }

    fn of_parity(&self, parity: Cell) -> usize {
        self.of_parities.get(&parity).copied().unwrap_or_default()
    }

    fn parities_of(&self, cell: Cell) -> &[Cell] {
        self.parities.get(&cell).map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell_is_drawn_once_and_explained() {
        let code = Code::named("b-code:5").unwrap();
        let svg = draw(&code, &[]);
        assert_eq!(svg.matches("<title>").count(), 10);
        assert!(svg.contains("<title>p0 = d2 + d3 + d4</title>"), "{svg}");
        assert!(svg.contains("<title>d4 is in p0, p2</title>"));
        assert_eq!(svg.matches("<rect").count(), 1 + 10 + 6 * 2, "background, cells, two colours per data cell");
        assert_eq!((svg.matches("<g>").count(), svg.matches("</g>").count()), (10, 10));
    }
}
