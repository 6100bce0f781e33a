// What the last minute was read from: kept second by second, drawn as a stacked chart.

import { at, draw, list, make, mark, write } from "./dom.js";
import { count, hue, rateText, sizeText } from "./format.js";
import { known, nodeIndex, nodeNamed } from "./state.js";

const SECONDS = 60;
/** What a node says of a second holds for so long. */
const FRESH_MS = 1700;
/** A flow is drawn for so long. */
const FLOW_MS = 2300;
/** Shorter waits of a stream are no stall: every one begins with some. */
const STALL_MS = 50;
/** A bar of the lane of stalls is full at this, or at the longest one. */
const STALL_FULL_MS = 250;
/** The legend tells the mean of so many seconds. */
const LEGEND_SECONDS = 5;

/** The last minute: what all viewers' reads took, by whole seconds of this machine's clock. */
const history = new Map();
/** The last second of each node: `{ at, second, bucket }`. */
const latest = new Map();
/** The last second of each node in which it read anything. */
const busy = new Map();
/** The node that last read the most. */
let reading = null;

const nowSecond = () => Math.floor(performance.now() / 1000);

const empty = () => ({
  sources: new Map(), served: 0, peer: 0, extra: 0, decoded: 0, hedgesSent: 0, hedgesWon: 0, stall: 0,
});

/** Takes the event `reads`. */
export function noteReads(second) {
  const before = latest.get(second.node);
  const now = nowSecond();
  // A node's seconds follow one another, though their news jitter.
  const bucket = before && before.bucket + 1 >= now - 1 ? Math.min(before.bucket + 1, now + 1) : now;
  latest.set(second.node, { at: performance.now(), second, bucket });
  if (second.sources.length > 0) busy.set(second.node, { at: performance.now(), second });
  if (!history.has(bucket)) history.set(bucket, empty());
  const sum = history.get(bucket);
  for (const { node, switch: network, bytes } of second.sources) {
    const own = node === second.node;
    const key = JSON.stringify([node, own, network]);
    sum.sources.set(key, (sum.sources.get(key) ?? 0) + bytes);
  }
  sum.served += second.served_bytes;
  sum.peer += second.peer_bytes;
  sum.extra += second.extra_bytes;
  sum.decoded += second.decoded_stripes;
  sum.hedgesSent += second.hedges_sent;
  sum.hedgesWon += second.hedges_won;
  const stallMs = second.stall_seconds * 1000;
  if (stallMs > STALL_MS) sum.stall = Math.max(sum.stall, stallMs);
  for (const old of history.keys()) {
    if (old < now - SECONDS - 1) history.delete(old);
  }
  const busiest = fresh().sort((left, right) => right.served_bytes - left.served_bytes)[0];
  if (busiest && (busiest.served_bytes > 0 || busiest.streams > 0)) reading = busiest.node;
}

/** What nodes said of the second that has just gone. */
function fresh() {
  const now = performance.now();
  return [...latest.values()].filter((entry) => now - entry.at < FRESH_MS).map((entry) => entry.second);
}

/** The node through which the most was read of late, while it is up; null for none. */
export const readingNode = () => (reading !== null && nodeNamed(reading)?.state === "up" ? reading : null);

/** What flows between nodes now: `[{ reader, node, network, bytes }]`. Between two gulps of a player it flows on. */
export function flows() {
  const now = performance.now();
  const last = [...busy.values()].filter((entry) => now - entry.at < FLOW_MS).map((entry) => entry.second);
  return last.flatMap((second) => second.sources
    .filter((source) => source.node !== second.node && source.bytes > 0)
    .map((source) => ({ reader: second.node, node: source.node, network: source.switch, bytes: source.bytes })));
}

/** A source's place in the stack, and how strong its hue is: the own column first, then by node and network. */
function place(key) {
  const [node, own, network] = JSON.parse(key);
  const networks = (known.cluster?.switches ?? []).map((part) => part.name);
  const index = Math.max(0, networks.indexOf(network));
  const strength = own ? 1 : network === null ? 0.75 : [0.95, 0.6, 0.8, 0.45][index % 4];
  return { node, own, network, order: nodeIndex(node) * 100 + (own ? 0 : network === null ? 99 : index + 1), strength };
}

function sourceText({ node, own, network }) {
  if (own) return `${node}, its own column`;
  return network === null ? `${node} over several switches` : `${node} over ${network}`;
}

// --- The chart ------------------------------------------------------------------------------------------------------

const LEFT = 74;
const RIGHT = 10;
const TOP = 10;
const BARS = 132;
const LANE = 22;
const LANES = [
  { name: "decoded", value: (sum) => sum.decoded, total: (sum) => sum.decoded },
  { name: "hedges", value: (sum) => sum.hedgesSent, won: (sum) => sum.hedgesWon },
  { name: "stalls", value: (sum) => sum.stall, full: STALL_FULL_MS },
];

/** The next number of the form 1, 2 or 5 times a power of ten. */
function roundUp(number) {
  const power = 10 ** Math.floor(Math.log10(number));
  return [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= number * 0.999);
}

/** The top of the scale. A few seconds of filling a buffer must not flatten all others. */
function scaleOf(sums) {
  const sorted = [...sums, 1000].sort((left, right) => right - left);
  const usual = roundUp(Math.max(1000, 1.1 * (sorted[4] ?? 0)));
  return sorted.length > 8 && sorted[0] > 2.5 * usual ? usual : roundUp(sorted[0]);
}

function drawChart(width) {
  const svg = at("reads-chart");
  const height = TOP + BARS + 10 + LANE * LANES.length + 20;
  mark(svg, "viewBox", `0 0 ${width} ${height}`);
  mark(svg, "height", height);
  const last = nowSecond() - 1;
  const step = (width - LEFT - RIGHT) / SECONDS;
  const bar = Math.max(step - 2, 1.5);
  const x = (second) => LEFT + (SECONDS - 1 - (last - second)) * step + (step - bar) / 2;
  const shown = [...history].filter(([second]) => second <= last && second > last - SECONDS)
    .sort(([left], [right]) => left - right);
  const sumOf = (sum) => [...sum.sources.values()].reduce((left, right) => left + right, 0);
  const most = scaleOf(shown.map(([, sum]) => sumOf(sum)));
  const parts = [];
  for (const share of [0, 0.5, 1]) {
    const y = TOP + BARS * (1 - share);
    parts.push(draw("line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: y, y2: y }));
    parts.push(axisText(LEFT - 10, y, "end", rateText(most * share)));
  }
  const labels = [];
  let labelled = -Infinity;
  for (const [second, sum] of shown) {
    const stack = [...sum.sources].map(([key, bytes]) => ({ ...place(key), bytes }))
      .sort((left, right) => left.order - right.order);
    let top = TOP + BARS;
    const whole = sumOf(sum);
    for (const source of stack) {
      const tall = (source.bytes / Math.max(most, whole)) * BARS;
      top -= tall;
      parts.push(draw("rect", {
        x: x(second), y: top, width: bar, height: Math.max(tall - 0.75, 0.5), rx: Math.min(1.5, bar / 3),
        fill: hue(nodeIndex(source.node)), "fill-opacity": source.strength,
      }));
    }
    // A bar too tall for the scale is broken, and says how tall it is.
    if (whole > most) {
      parts.push(draw("rect", { class: "break", x: x(second) - 2, y: TOP + 22, width: bar + 4, height: 4 }));
      const label = x(second) - labelled > 62 && x(second) < width - 66;
      if (label) {
        labels.push(axisText(x(second) + bar + 4, TOP + 5, "start", rateText(whole)));
        labelled = x(second);
      }
    }
  }
  LANES.forEach((lane, index) => {
    const y = TOP + BARS + 10 + LANE * index + LANE / 2;
    parts.push(draw("line", { class: "lane", x1: LEFT, x2: width - RIGHT, y1: y, y2: y }));
    parts.push(axisText(LEFT - 10, y, "end", lane.name));
    const values = shown.map(([second, sum]) => [second, lane.value(sum), lane.won?.(sum) ?? 0]);
    const greatest = Math.max(lane.full ?? 1, ...values.map(([, value]) => value));
    for (const [second, value, won] of values.filter(([, value]) => value > 0)) {
      const tall = 4 + (LANE - 9) * (value / greatest);
      const mark = { x: x(second), y: y - tall / 2, width: bar, height: tall, rx: 1.5, class: `mark ${lane.name}` };
      parts.push(draw("rect", mark));
      // The part of the hedges that were there first is filled.
      if (won > 0) {
        const full = tall * Math.min(1, won / value);
        parts.push(draw("rect", { ...mark, y: y + tall / 2 - full, height: full, class: `mark ${lane.name} won` }));
      }
    }
  });
  const y = height - 6;
  for (const ago of width < 500 ? [60, 30, 0] : [60, 45, 30, 15, 0]) {
    const where = ago === 60 ? "start" : ago === 0 ? "end" : "middle";
    const text = ago === 0 ? "now" : `${ago} s ago`;
    parts.push(axisText(LEFT + (SECONDS - ago) * step, y, where, text));
  }
  svg.replaceChildren(...parts, ...labels);
  const sums = shown.map(([, sum]) => sum);
  const total = (value) => sums.reduce((left, sum) => left + value(sum), 0);
  const served = total((sum) => sum.served);
  const longest = Math.max(0, ...sums.map((sum) => sum.stall));
  const text = served === 0 ? "Nothing was read in the last minute."
    : `In a minute ${sizeText(served)} served, ${count(total((sum) => sum.decoded), "stripe")} decoded, `
      + `${total((sum) => sum.hedgesWon)} of ${count(total((sum) => sum.hedgesSent), "hedge")} won, `
      + (longest > 0 ? `longest stall ${Math.round(longest)} ms` : "no stall");
  write(at("reads-text"), text);
  mark(svg, "aria-label", `${text} ${legendText(shown.at(-1)?.[1])}`);
}

function axisText(x, y, anchor, text) {
  const element = draw("text", { class: "axis", x, y, "text-anchor": anchor, "dominant-baseline": "middle" });
  element.textContent = text;
  return element;
}

function legendText(sum) {
  const parts = [...(sum?.sources ?? [])].map(([key, bytes]) => `${sourceText(place(key))}: ${rateText(bytes)}`);
  return parts.length > 0 ? `Last second: ${parts.join("; ")}.` : "";
}

function drawLegend() {
  const now = new Map();
  const last = nowSecond() - 1;
  for (let second = last - LEGEND_SECONDS + 1; second <= last; second += 1) {
    for (const [key, bytes] of history.get(second)?.sources ?? []) {
      now.set(key, (now.get(key) ?? 0) + bytes / LEGEND_SECONDS);
    }
  }
  const create = () => {
    const item = make("li");
    item.append(make("span", "swatch"), make("strong"), make("span", "shares"));
    return item;
  };
  list(at("reads-legend"), known.cluster?.nodes ?? [], (node) => node.name, create, (item, node) => {
    const [swatch, name, shares] = item.children;
    swatch.style.setProperty("--hue", hue(nodeIndex(node.name)));
    write(name, node.name);
    const mine = [...now].map(([key, bytes]) => ({ ...place(key), bytes })).filter((part) => part.node === node.name)
      .sort((left, right) => left.order - right.order);
    const create = () => {
      const share = make("span", "share");
      share.append(make("i", "strength"), make("span"));
      return share;
    };
    list(shares, mine, (part) => part.order, create, (share, part) => {
      const [strength, words] = share.children;
      strength.style.setProperty("--hue", hue(nodeIndex(node.name)));
      strength.style.setProperty("--strength", part.strength);
      write(words, `${part.own ? "own" : part.network ?? "several"} ${rateText(part.bytes)}`);
    });
    mark(item, "data-quiet", mine.length === 0 ? "" : null);
  });
}

/** Draws the chart and its legend. */
export function drawReads() {
  const width = Math.round(at("reads-chart").parentElement.clientWidth);
  if (width > 0) drawChart(Math.max(width, 300));
  drawLegend();
}
