// Where the parts of the cluster lie on the map, and by which ways bytes flow. Pure: names in, numbers out.

/** Where a straight link is broken when it is cut, as a share of its length. */
const MIDDLE = 0.5;

/**
 * The map of a cluster: `{ width, height, nodes, switches, links }` by name. Switches in a ring when they are joined to
 * each other, else as rails above and below the nodes.
 */
export function layoutOf(cluster) {
  return cluster.links.some((link) => link.node == null) ? ring(cluster) : rails(cluster);
}

function rails({ nodes, switches, links }) {
  const column = nodes.length > 8 ? 92 : 136;
  const box = { width: nodes.length > 8 ? 76 : 104, height: 104 };
  const bar = { height: 48 };
  const [margin, gap, between] = [14, switches.length > 2 ? 84 : 112, 16];
  const width = Math.max(nodes.length * column, 320) + 2 * margin;
  const above = switches.filter((_, index) => index % 2 === 0);
  const below = switches.filter((_, index) => index % 2 === 1);
  const rowsAbove = above.length * bar.height + Math.max(0, above.length - 1) * between;
  const nodeY = margin + rowsAbove + gap + box.height / 2;
  const first = (width - nodes.length * column) / 2 + column / 2;
  const placed = { nodes: new Map(), switches: new Map(), links: new Map() };
  nodes.forEach((node, index) => {
    placed.nodes.set(node.name, { x: first + index * column, y: nodeY, ...box });
  });
  const rail = (y) => ({ shape: "rail", x: width / 2, y, width: width - 2 * margin, height: bar.height });
  // The first switch is next to the nodes.
  above.forEach((part, index) => {
    const y = nodeY - box.height / 2 - gap - bar.height / 2 - index * (bar.height + between);
    placed.switches.set(part.name, rail(y));
  });
  below.forEach((part, index) => {
    const y = nodeY + box.height / 2 + gap + bar.height / 2 + index * (bar.height + between);
    placed.switches.set(part.name, rail(y));
  });
  const sideOf = (name) => (above.some((part) => part.name === name) ? above : below);
  for (const link of links) {
    const [node, part] = [placed.nodes.get(link.node), placed.switches.get(link.switch)];
    if (!node || !part) continue;
    const side = sideOf(link.switch);
    const place = side.findIndex((other) => other.name === link.switch);
    const x = node.x + (place - (side.length - 1) / 2) * 18;
    const up = part.y < node.y ? -1 : 1;
    const from = { x, y: node.y + (up * node.height) / 2 };
    const to = { x, y: part.y - (up * part.height) / 2 };
    placed.links.set(link.name, { from, to, cutAt: MIDDLE, port: { x, y: part.y - up * (part.height / 2 - 9) } });
  }
  const last = below.length > 0 ? placed.switches.get(below.at(-1).name) : null;
  const bottom = last ? last.y + last.height / 2 : nodeY + box.height / 2;
  return { kind: "rails", width, height: bottom + margin, ...placed };
}

function ring({ nodes, switches, links }) {
  // Room for each part on its circle.
  const inner = Math.max(132, (switches.length * 58) / (2 * Math.PI));
  const outer = Math.max(inner + 116, (nodes.length * 84) / (2 * Math.PI));
  const [width, height] = [2 * outer + 164, 2 * outer + 104];
  const middle = { x: width / 2, y: height / 2 };
  const at = (radius, index, of) => {
    const angle = (index / of) * 2 * Math.PI - Math.PI / 2;
    return { x: middle.x + radius * Math.cos(angle), y: middle.y + radius * Math.sin(angle) };
  };
  const placed = { nodes: new Map(), switches: new Map(), links: new Map() };
  byHome(nodes, switches, links).forEach((node, index) => {
    placed.nodes.set(node.name, { ...at(outer, index, nodes.length), width: 74, height: 70 });
  });
  switches.forEach((part, index) => {
    const place = at(inner, index, switches.length);
    placed.switches.set(part.name, { shape: "round", ...place, width: 48, height: 48 });
  });
  for (const link of links) {
    const from = link.node == null ? placed.switches.get(link.switch) : placed.nodes.get(link.node);
    const to = placed.switches.get(link.node == null ? link.to : link.switch);
    if (!from || !to) continue;
    const long = Math.hypot(to.x - from.x, to.y - from.y) > outer;
    // Links of the ring bow outwards a little; long links are cut before they cross.
    const bow = link.node == null ? bowOf(from, to, middle, inner) : null;
    placed.links.set(link.name, { from, to, bow, cutAt: long ? 0.34 : link.node == null ? MIDDLE : 0.52 });
  }
  return { kind: "ring", width, height, ...placed };
}

/** Nodes in the order of their first switches, where every switch is the first one of as many; else as they come. */
function byHome(nodes, switches, links) {
  const home = (node) => {
    const first = links.find((link) => link.node === node.name);
    return switches.findIndex((part) => part.name === first?.switch);
  };
  const homes = nodes.map(home);
  const counts = switches.map((_, index) => homes.filter((found) => found === index).length);
  if (counts.some((count) => count !== counts[0])) return nodes;
  return [...nodes.keys()].sort((one, other) => homes[one] - homes[other] || one - other).map((index) => nodes[index]);
}

/** The control point that makes a link between neighbours follow the circle. */
function bowOf(from, to, middle, radius) {
  const half = { x: (from.x + to.x) / 2 - middle.x, y: (from.y + to.y) / 2 - middle.y };
  const length = Math.hypot(half.x, half.y);
  if (length < radius * 0.6) return null;
  const far = 2 * radius - length;
  return { x: middle.x + (half.x / length) * far, y: middle.y + (half.y / length) * far };
}

/** A link as the data of a path. */
export function linkPath({ from, to, bow }) {
  const end = `${round(to.x)} ${round(to.y)}`;
  return `M${round(from.x)} ${round(from.y)} ${bow ? `Q${round(bow.x)} ${round(bow.y)} ${end}` : `L${end}`}`;
}

/** The point of a link where it is cut. */
export function cutPoint({ from, to, bow, cutAt }) {
  const mix = (left, right) => left + (right - left) * cutAt;
  const line = (left, right) => ({ x: mix(left.x, right.x), y: mix(left.y, right.y) });
  return bow ? line(line(from, bow), line(bow, to)) : line(from, to);
}

const round = (number) => Math.round(number * 10) / 10;

/**
 * The way of a flow as the data of a path, from the node that is read to the one that reads; null when there is none.
 * `lane` sets flows that share a way apart.
 */
export function flowPath(layout, cluster, flow, lane) {
  return layout.kind === "rails" ? railsFlow(layout, cluster, flow, lane) : ringFlow(layout, cluster, flow, lane);
}

function railsFlow(layout, cluster, { node, reader, network }, lane) {
  const link = (name) =>
    layout.links.get(cluster.links.find((link) => link.node === name && link.switch === network)?.name);
  const [out, back, rail] = [link(node), link(reader), layout.switches.get(network)];
  if (!out || !back || !rail) return null;
  const [startX, endX] = [out.from.x, back.from.x + lane * 5];
  const up = rail.y < out.from.y ? -1 : 1;
  const turn = rail.y + lane * 7;
  const corner = 8;
  const way = Math.sign(endX - startX);
  return `M${startX} ${out.from.y}V${turn - up * corner}Q${startX} ${turn} ${startX + way * corner} ${turn}`
    + `H${endX - way * corner}Q${endX} ${turn} ${endX} ${turn - up * corner}V${back.from.y}`;
}

function ringFlow(layout, cluster, { node, reader, network }, lane) {
  const stops = route(cluster, node, reader, network);
  if (stops === null) return null;
  const points = stops.map((name) => layout.nodes.get(name) ?? layout.switches.get(name));
  if (points.some((point) => !point)) return null;
  const shifted = points.map((point, index) => {
    if (index === 0) return point;
    // Sideways to the way that leads to the reader.
    const [before, after] = [points[index - 1], points[index + 1] ?? point];
    const [x, y] = [after.x - before.x, after.y - before.y];
    const length = Math.hypot(x, y) || 1;
    return { x: point.x - (y / length) * lane * 4, y: point.y + (x / length) * lane * 4 };
  });
  return shifted.map((point, index) => `${index === 0 ? "M" : "L"}${round(point.x)} ${round(point.y)}`).join("");
}

/** The shortest way from node to node over parts that are up; over one switch alone where that is known. */
function route(cluster, from, to, network) {
  if (network !== null) return [from, network, to];
  const up = new Set(cluster.switches.filter((part) => part.state !== "down").map((part) => part.name));
  const neighbours = new Map();
  const join = (left, right) => {
    neighbours.set(left, [...(neighbours.get(left) ?? []), right]);
    neighbours.set(right, [...(neighbours.get(right) ?? []), left]);
  };
  for (const link of cluster.links.filter((link) => link.state !== "down" && up.has(link.switch))) {
    if (link.node != null) join(link.node, link.switch);
    else if (up.has(link.to)) join(link.switch, link.to);
  }
  const cameFrom = new Map([[from, null]]);
  const queue = [from];
  for (const place of queue) {
    if (place === to) break;
    // Nodes do not pass on what is not theirs.
    if (place !== from && !up.has(place)) continue;
    for (const next of neighbours.get(place) ?? []) {
      if (!cameFrom.has(next)) {
        cameFrom.set(next, place);
        queue.push(next);
      }
    }
  }
  if (!cameFrom.has(to)) return null;
  const stops = [];
  for (let place = to; place !== null; place = cameFrom.get(place)) stops.unshift(place);
  return stops;
}
