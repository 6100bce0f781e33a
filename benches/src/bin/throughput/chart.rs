//! The chart of the README: encoding, by code and by where the stripes are.

#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a handful of bars and ticks"
)]

use std::fmt::Write as _;

use rain_gauge::{Machine, Regime, Row};

use crate::document::other;
use crate::sections::Tables;

const REGIMES: [(Regime, &str); 3] = [
    (Regime::L2Quarter, "stripes of 256 KiB, in the cache"),
    (Regime::L3, "in the third-level cache"),
    (Regime::Dram, "from memory to memory"),
];
const PANEL_HEIGHT: f64 = 170.0;
const BAR_WIDTH: f64 = 18.0;
const GROUP_WIDTH: f64 = 92.0;
const LEFT: f64 = 56.0;
const TOP: f64 = 62.0;
/// Colours of the bars: ours, ISA-L's two, and the probe's mark.
const COLOURS: [&str; 3] = ["#2563eb", "#9ca3af", "#d1d5db"];

/// Draws bars of ours, of `ec_encode_data` and of `pq_gen`, and the probe as a line above each group.
pub(crate) fn svg(machine: &Machine, tables: &Tables) -> String {
    let codes: Vec<&str> = tables.rows.iter().map(|row| row.code.as_str()).fold(Vec::new(), |mut codes, code| {
        if !codes.contains(&code) {
            codes.push(code);
        }
        codes
    });
    let width = LEFT + codes.len() as f64 * GROUP_WIDTH + 12.0;
    let height = TOP + REGIMES.len() as f64 * (PANEL_HEIGHT + 44.0);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" font-family=\"system-ui, sans-serif\" \
         font-size=\"11\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"{LEFT}\" y=\"20\" font-size=\"14\" font-weight=\"600\">Encoding, GB/s of original data, one thread</text>\n\
         <text x=\"{LEFT}\" y=\"36\" fill=\"#4b5563\">{}, {}, {}</text>\n",
        machine.cpu, machine.instruction_set, machine.date
    );
    for (place, name) in ["RAIN", "ISA-L ec_encode_data", "ISA-L pq_gen"].iter().enumerate() {
        let x = LEFT + place as f64 * 150.0;
        // Writing to a string cannot fail.
        let _ = writeln!(
            svg,
            "<rect x=\"{x}\" y=\"44\" width=\"10\" height=\"10\" fill=\"{}\"/><text x=\"{}\" y=\"53\">{name}</text>",
            COLOURS[place],
            x + 14.0
        );
    }
    let _ = writeln!(
        svg,
        "<path d=\"M{0} 49h18\" stroke=\"#dc2626\" stroke-width=\"2\"/><text x=\"{1}\" y=\"53\">what the memory gives</text>",
        LEFT + 450.0,
        LEFT + 472.0
    );
    for (place, (regime, what)) in REGIMES.into_iter().enumerate() {
        let top = TOP + place as f64 * (PANEL_HEIGHT + 44.0);
        panel(&mut svg, tables, &codes, regime, what, top, width);
    }
    svg + "</svg>\n"
}

fn panel(svg: &mut String, tables: &Tables, codes: &[&str], regime: Regime, what: &str, top: f64, width: f64) {
    let base = top + PANEL_HEIGHT;
    let groups: Vec<(&Row, [Option<f64>; 3])> = codes.iter().filter_map(|code| group(tables, code, regime)).collect();
    let values = groups.iter().flat_map(|(row, bars)| bars.iter().flatten().copied().chain([row.probe_gb_per_s]));
    let most = values.fold(1.0, f64::max) * 1.08;
    let y = |value: f64| base - value / most * (PANEL_HEIGHT - 18.0);
    // Writing to a string cannot fail.
    let _ = writeln!(svg, "<text x=\"{LEFT}\" y=\"{}\" font-weight=\"600\">{what}</text>", top + 10.0);
    let step = [10.0, 25.0, 50.0, 100.0].into_iter().find(|step| most / step <= 5.0).unwrap_or(100.0);
    for tick in 0..=(most / step) as usize {
        let value = tick as f64 * step;
        let _ = writeln!(
            svg,
            "<path d=\"M{LEFT} {0:.1}H{1:.0}\" stroke=\"#e5e7eb\"/><text x=\"{2}\" y=\"{3:.1}\" text-anchor=\"end\" fill=\"#4b5563\">{value:.0}</text>",
            y(value),
            width - 12.0,
            LEFT - 6.0,
            y(value) + 4.0
        );
    }
    for (place, (row, bars)) in groups.iter().enumerate() {
        let x = LEFT + 10.0 + place as f64 * GROUP_WIDTH;
        for (bar, value) in bars.iter().enumerate().filter_map(|(bar, value)| value.map(|value| (bar, value))) {
            let left = x + bar as f64 * (BAR_WIDTH + 4.0);
            let _ = writeln!(
                svg,
                "<rect x=\"{left:.1}\" y=\"{:.1}\" width=\"{BAR_WIDTH}\" height=\"{:.1}\" fill=\"{}\"/><text x=\"{:.1}\" y=\"{:.1}\" \
                 text-anchor=\"middle\" font-size=\"9\">{value:.0}</text>",
                y(value),
                base - y(value),
                COLOURS[bar],
                left + BAR_WIDTH / 2.0,
                y(value) - 3.0
            );
        }
        let _ = writeln!(
            svg,
            "<path d=\"M{x:.1} {:.1}h64\" stroke=\"#dc2626\" stroke-width=\"2\"/>",
            y(row.probe_gb_per_s)
        );
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            x + 31.0,
            base + 14.0,
            row.code
        );
    }
}

/// The best row of a code's encoding, and the bars beside each other.
fn group<'tables>(tables: &'tables Tables, code: &str, regime: Regime) -> Option<(&'tables Row, [Option<f64>; 3])> {
    let rows = tables.rows.iter().filter(|row| row.code == code && row.regime == regime && row.operation == "encode");
    let best = rows.max_by(|a, b| a.figure.gb_per_s.total_cmp(&b.figure.gb_per_s))?;
    let peer = |name| other(tables, best, "encode", name);
    Some((best, [Some(best.figure.gb_per_s), peer("isa-l ec_encode_data"), peer("isa-l pq_gen")]))
}
