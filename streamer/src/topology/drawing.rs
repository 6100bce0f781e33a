//! A plan as a drawing: switches on a ring, nodes outside, cables between them; what is lost is marked, and each piece of
//! the rest has a colour.

use super::TopologyPlan;
use super::layout::{BAR_HEIGHT, Layout, NODE_SIDE, Point, SWITCH_RADIUS};
use super::report::{in_words, listed, members};
use rain_cluster::topology::{Living, Loss, Part, Pieces};
use std::fmt::Write as _;

/// Line and fill of a piece: dark enough for text on the fill, told apart by the colour-blind too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Colour {
    line: &'static str,
    fill: &'static str,
}

const BIGGEST: Colour = Colour { line: "#1d4ed8", fill: "#dbeafe" };
/// Further pieces of more than one node, in turn.
const FURTHER: [Colour; 3] = [
    Colour { line: "#7e22ce", fill: "#f3e8ff" },
    Colour { line: "#047857", fill: "#d1fae5" },
    Colour { line: "#be185d", fill: "#fce7f3" },
];
const ALONE: Colour = Colour { line: "#b45309", fill: "#fef3c7" };
/// Lives, and no node is there for it.
const IDLE: Colour = Colour { line: "#64748b", fill: "#f1f5f9" };
const LOST_LINE: &str = "#dc2626";
const LOST_FILL: &str = "#fef2f2";
const DEAD_CABLE: &str = "#cbd5e1";
const TEXT: &str = "#0f172a";
const SOFT_TEXT: &str = "#475569";

const HEADER: f64 = 74.0;
const LEGEND_LINE: f64 = 22.0;
/// The width of a letter of the legend, about.
const LETTER: f64 = 7.0;
const LEFT: f64 = 28.0;
const WIDTH_MIN: f64 = 420.0;

/// A plan and what was lost of it, ready to be drawn.
struct Drawing<'plan> {
    plan: &'plan TopologyPlan,
    living: Living,
    pieces: Pieces,
    layout: Layout,
    out: String,
}

/// Draws a plan as SVG, whole or after a loss.
pub fn draw(plan: &TopologyPlan, loss: Option<&Loss>) -> String {
    let living = Living::without(&plan.topology, loss.map_or(&[], |loss| &loss.parts));
    let pieces = Pieces::new(&plan.topology, &living);
    let layout = Layout::new(&plan.topology);
    let width = layout.width.max(WIDTH_MIN);
    let legend = legend(plan, &pieces, loss, width);
    let height = HEADER + layout.height + legend_height(&legend) + 16.0;
    let title = if plan.construction.is_empty() { "Topology".to_owned() } else { escaped(&plan.construction) };
    let below = loss.map_or_else(|| plan.size(), |loss| sentence(&in_words(plan, loss)));
    let mut drawing = Drawing { plan, living, pieces, layout, out: String::new() };
    // Writing to a string cannot fail, here and below.
    let _ = write!(
        drawing.out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\" \
         font-family=\"system-ui, -apple-system, 'Segoe UI', sans-serif\">\n<title>{title}: {below}</title>\n\
         <rect width=\"{width:.0}\" height=\"{height:.0}\" rx=\"14\" fill=\"#ffffff\"/>\n\
         <text x=\"{LEFT}\" y=\"38\" font-size=\"17\" font-weight=\"650\" fill=\"{TEXT}\">{title}</text>\n"
    );
    for (line, words) in wrapped(&below, width).iter().take(2).enumerate() {
        let y = if line == 0 { 59.0 } else { 76.0 };
        let _ =
            writeln!(drawing.out, "<text x=\"{LEFT}\" y=\"{y}\" font-size=\"13\" fill=\"{SOFT_TEXT}\">{words}</text>");
    }
    let _ = writeln!(drawing.out, "<g transform=\"translate({:.1} {HEADER})\">", (width - drawing.layout.width) / 2.0);
    drawing.cables();
    drawing.switches();
    drawing.nodes();
    drawing.out.push_str("</g>\n");
    drawing.legend(&legend);
    drawing.out + "</svg>\n"
}

fn sentence(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

impl Drawing<'_> {
    fn colour(&self, piece: usize) -> Colour {
        match (piece, self.pieces.sizes[piece]) {
            (_, 0) => IDLE,
            (0, 2..) => BIGGEST,
            (_, 1) => ALONE,
            (further, _) => FURTHER[(further - 1) % FURTHER.len()],
        }
    }

    /// The line of a cable: the colour of its piece, or of a dead one.
    fn cable(&mut self, part: Part, ends: [Point; 2], piece: Option<usize>, thickness: f64) {
        let [from, to] = ends;
        let lost = !self.living.works(part);
        let (stroke, dashes) = match piece {
            _ if lost => (LOST_LINE, " stroke-dasharray=\"5 5\""),
            Some(piece) => (self.colour(piece).line, ""),
            None => (DEAD_CABLE, " stroke-dasharray=\"3 5\""),
        };
        let _ = writeln!(
            self.out,
            "<path d=\"M{:.1} {:.1}L{:.1} {:.1}\" stroke=\"{stroke}\" stroke-width=\"{thickness}\"{dashes} fill=\"none\">\
             <title>{}</title></path>",
            from.x,
            from.y,
            to.x,
            to.y,
            self.plan.name(part)
        );
        if lost {
            self.cross(from.towards(to, 0.5), 7.0);
        }
    }

    fn cables(&mut self) {
        let topology = self.plan.topology.clone();
        for (number, [one, other]) in topology.switch_links.into_iter().enumerate() {
            let ends = [self.layout.switches[one], self.layout.switches[other]];
            let both = self.pieces.of_switches[one].filter(|_| self.pieces.of_switches[other].is_some());
            self.cable(Part::SwitchLink(number), ends, both, 4.0);
        }
        for (number, cable) in topology.attachments.into_iter().enumerate() {
            let both = self.pieces.of_nodes[cable.node].filter(|_| self.pieces.of_switches[cable.switch].is_some());
            self.cable(Part::Attachment(number), self.layout.attachments[number], both, 1.8);
        }
    }

    fn switches(&mut self) {
        for switch in 0..self.plan.topology.switches {
            let Point { x, y } = self.layout.switches[switch];
            let name = &self.plan.switches[switch];
            let (width, height) =
                self.layout.bar.map_or((2.0 * SWITCH_RADIUS, 2.0 * SWITCH_RADIUS), |bar| (bar, BAR_HEIGHT));
            let round = self.layout.bar.map_or(SWITCH_RADIUS, |_| 9.0);
            let (style, text) = match self.pieces.of_switches[switch] {
                Some(piece) => (format!("fill=\"{}\"", self.colour(piece).line), "#ffffff"),
                None => (LOST_STYLE.to_owned(), LOST_LINE),
            };
            let _ = writeln!(
                self.out,
                "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"{round}\" {style}>\
                 <title>{name}</title></rect>\n{}",
                x - width / 2.0,
                y - height / 2.0,
                label(Point { x, y }, name, text)
            );
            if self.pieces.of_switches[switch].is_none() {
                self.cross(Point { x: x + width / 2.0 - 6.0, y: y - height / 2.0 + 6.0 }, 6.0);
            }
        }
    }

    fn nodes(&mut self) {
        for node in 0..self.plan.topology.nodes {
            let Point { x, y } = self.layout.nodes[node];
            let name = &self.plan.nodes[node];
            let (style, text) = match self.pieces.of_nodes[node].map(|piece| self.colour(piece)) {
                Some(Colour { line, fill }) => {
                    (format!("fill=\"{fill}\" stroke=\"{line}\" stroke-width=\"2.2\""), line)
                }
                None => (LOST_STYLE.to_owned(), LOST_LINE),
            };
            let _ = writeln!(
                self.out,
                "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{NODE_SIDE}\" height=\"{NODE_SIDE}\" rx=\"9\" {style}>\
                 <title>{name}</title></rect>\n{}",
                x - NODE_SIDE / 2.0,
                y - NODE_SIDE / 2.0,
                label(Point { x, y }, name, text)
            );
            if self.pieces.of_nodes[node].is_none() {
                self.cross(Point { x: x + NODE_SIDE / 2.0 - 4.0, y: y - NODE_SIDE / 2.0 + 4.0 }, 6.0);
            }
        }
    }

    /// The mark of what is lost.
    fn cross(&mut self, at: Point, size: f64) {
        let Point { x, y } = at;
        let (left, top) = (x - size / 2.0, y - size / 2.0);
        let _ = writeln!(
            self.out,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{:.1}\" fill=\"{LOST_LINE}\"/>\
             <path d=\"M{left:.1} {top:.1}l{size} {size}m0 -{size}l-{size} {size}\" stroke=\"#ffffff\" stroke-width=\"1.8\" \
             stroke-linecap=\"round\" fill=\"none\"/>",
            size + 1.0,
        );
    }

    fn legend(&mut self, legend: &[Entry]) {
        let mut y = HEADER + self.layout.height + 10.0;
        for Entry { mark, lines } in legend {
            let (line, fill) = match mark {
                Some(piece) => {
                    let colour = self.colour(*piece);
                    (colour.line, colour.fill)
                }
                None => (LOST_LINE, LOST_FILL),
            };
            let _ = writeln!(
                self.out,
                "<rect x=\"{LEFT}\" y=\"{:.1}\" width=\"14\" height=\"14\" rx=\"4\" fill=\"{fill}\" stroke=\"{line}\" \
                 stroke-width=\"2\"/>",
                y - 11.5
            );
            for words in lines {
                let _ = writeln!(
                    self.out,
                    "<text x=\"{:.1}\" y=\"{y:.1}\" font-size=\"13\" fill=\"{TEXT}\">{words}</text>",
                    LEFT + 24.0
                );
                y += LEGEND_LINE;
            }
        }
    }
}

const LOST_STYLE: &str = "fill=\"#fef2f2\" stroke=\"#dc2626\" stroke-width=\"1.8\" stroke-dasharray=\"4 3\"";

fn label(at: Point, name: &str, colour: &str) -> String {
    let size = match name.len() {
        0..=2 => 15,
        3 => 13,
        4..=5 => 10,
        _ => 7,
    };
    format!(
        "<text x=\"{:.1}\" y=\"{:.1}\" font-size=\"{size}\" font-weight=\"600\" text-anchor=\"middle\" \
         dominant-baseline=\"central\" fill=\"{colour}\">{name}</text>",
        at.x, at.y
    )
}

/// A line of the legend or several: a piece, or what is lost.
struct Entry {
    mark: Option<usize>,
    lines: Vec<String>,
}

/// What the colours mean. Nothing where nothing is lost.
fn legend(plan: &TopologyPlan, pieces: &Pieces, loss: Option<&Loss>, width: f64) -> Vec<Entry> {
    let Some(loss) = loss else { return Vec::new() };
    let members = members(plan, pieces);
    let mut entries = Vec::new();
    let mut add = |mark, words: String| entries.push(Entry { mark, lines: wrapped(&words, width - 24.0) });
    for (piece, names) in members.iter().enumerate().filter(|(_, names)| names.len() > 1) {
        add(Some(piece), format!("{} together: {}", names.len(), listed(names)));
    }
    let alone: Vec<_> = members.iter().filter(|names| names.len() == 1).map(|names| names[0].clone()).collect();
    if let Some(piece) = members.iter().position(|names| names.len() == 1) {
        let words = if alone.len() == 1 { "1 alone".to_owned() } else { format!("{}, each alone", alone.len()) };
        add(Some(piece), format!("{words}: {}", listed(&alone)));
    }
    let names: Vec<_> = loss.parts.iter().map(|part| plan.name(*part)).collect();
    add(None, format!("{} lost: {}", names.len(), listed(&names)));
    entries
}

#[expect(clippy::cast_precision_loss, reason = "a few lines")]
fn legend_height(legend: &[Entry]) -> f64 {
    legend.iter().map(|entry| entry.lines.len()).sum::<usize>() as f64 * LEGEND_LINE
}

/// A text from outside within XML. Names need none of this.
fn escaped(text: &str) -> String {
    let printed = text.chars().filter(|letter| !letter.is_control()).take(120).collect::<String>();
    printed.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Words in lines that fit about into a width.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some hundred letters")]
fn wrapped(words: &str, width: f64) -> Vec<String> {
    let most = ((width - 2.0 * LEFT) / LETTER).max(20.0) as usize;
    let mut lines = vec![String::new()];
    for word in words.split(' ') {
        let last = lines.len() - 1;
        if !lines[last].is_empty() && lines[last].len() + 1 + word.len() > most {
            lines.push(word.to_owned());
        } else {
            if !lines[last].is_empty() {
                lines[last].push(' ');
            }
            lines[last].push_str(word);
        }
    }
    lines
}
