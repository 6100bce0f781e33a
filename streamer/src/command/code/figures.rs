//! What a code costs beside what it must cost, as lines of words and numbers.

use rain_codec::costs::Bounds;
use rain_codec::{Code, CodeCosts};

/// One line of the table of costs.
pub(super) struct Figure {
    pub(super) what: &'static str,
    pub(super) found: String,
    pub(super) beside: String,
}

/// Counts them.
///
/// # Errors
/// None for a code that has a name.
pub(super) fn of(code: &Code) -> anyhow::Result<Vec<Figure>> {
    let costs = CodeCosts::of(code)?;
    let bounds = Bounds::of(code);
    let mut figures = vec![Figure {
        what: "XORs per data cell to encode",
        found: number(costs.encode),
        beside: if bounds.encode_is_bound {
            format!("bound {}", number(bounds.encode))
        } else {
            format!("m (1 - 1/k) = {}, which is no bound", number(bounds.encode))
        },
    }];
    let lost = ["XORs per lost cell, one column lost", "XORs per lost cell, two columns lost"];
    let sampled = if costs.every_pattern { "" } else { ", a sample of the patterns" };
    for (what, &found) in lost.into_iter().zip(&costs.recover) {
        let beside = format!("k - 1 = {}{sampled}", number(bounds.recover));
        figures.push(Figure { what, found: number(found), beside });
    }
    figures.push(Figure {
        what: "parity cells changed by a write to a data cell",
        found: number(costs.update),
        beside: format!("bound {}, at most {}", number(bounds.update), costs.update_max),
    });
    let share = 100.0 * costs.repair_cells / f64::from(u32::try_from(bounds.repair_conventional).unwrap_or(u32::MAX));
    figures.push(Figure {
        what: "cells read to rebuild a column",
        found: number(costs.repair_cells),
        beside: format!(
            "{share:.1} % of k columns' {}, cut-set bound {}",
            bounds.repair_conventional,
            number(bounds.repair_cut_set)
        ),
    });
    Ok(figures)
}

/// Three digits, without zeros at the end.
fn number(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_end_where_they_end() {
        assert_eq!([1.5, 2.0, 10.0, 1.777_777, 0.0].map(number), ["1.5", "2", "10", "1.778", "0"]);
    }
}
