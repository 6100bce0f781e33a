// The map of nodes, switches and links; where the cluster lets its parts be cut, each of them opens a menu.
//
// One part at a time can be reached by Tab; the arrow keys go from it to the nearest in their direction, Enter opens its
// menu, Escape closes it.

import { at, draw, list, make, mark, notice, withdraw, write } from "./dom.js";
import { errorText, hue } from "./format.js";
import { cutPoint, flowPath, layoutOf, linkPath } from "./layout.js";
import { watchThrough, watchedNode } from "./player.js";
import { flows } from "./reads.js";
import { isSupervisor, known, mayOperate, nodeIndex, nodes } from "./state.js";

const FAULT_WITHIN_MS = 5000;
const GROWN_WITHIN_MS = 60_000;

/** The layout, and the names of the parts that it was made for. */
let layout = null;
let laidOutFor = "";
/** The part that Tab reaches: `node A`, `switch s1`, `link A-s1`. */
let current = null;
/** The part whose menu is open. */
let opened = null;

const box = at("map-box");
const svg = at("map");
const menu = at("map-menu");

/** All parts: `{ id, kind, name, state, report }`; nodes first, so that Tab reaches one of them. */
function parts() {
  const { switches, links } = known.cluster;
  const part = (kind) => (report) =>
    ({ id: `${kind} ${report.name}`, kind, name: report.name, state: report.state, report });
  return [...nodes().map(part("node")), ...switches.map(part("switch")), ...links.map(part("link"))];
}

const partElement = (id) => [...svg.querySelectorAll(".part")].find((element) => element.dataset.key === id);

/** A part's state in a word. What a node only infers is not known to have been cut. */
const stateWord = ({ kind, state }) => (state === "down" && kind !== "node" && isSupervisor() ? "cut" : state);

/** What a menu offers for a part: `[[words, what is done], ...]`. */
function choices(part) {
  const offered = [];
  if (known.cluster.faults && mayOperate()) {
    const words = part.kind === "node"
      ? { cut: "Cut: kill its process", hang: "Hang: stop its process", heal: "Heal: bring it back" }
      : { cut: "Cut", heal: "Heal" };
    const able = { up: ["cut", "hang"], hung: ["heal", "cut"], down: ["heal"] }[part.state] ?? ["heal", "cut", "hang"];
    for (const action of able.filter((action) => words[action])) {
      offered.push({ key: action, words: words[action], run: () => fault(part, action) });
    }
  }
  if (part.kind === "node") {
    if (part.state === "up" && known.playing !== null && watchedNode() !== part.name) {
      offered.push({ key: "watch", words: "Watch through it", run: () => watchThrough(part.name) });
    }
    offered.push({ key: "open", words: "Open its console \u2197", run: () => open(part.report.http, "_blank", "noopener") });
  }
  return offered;
}

async function fault({ id, kind, name }, action) {
  mark(partElement(id), "aria-busy", "true");
  try {
    const response = await fetch("/api/v1/faults", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ kind, name, action }),
      signal: AbortSignal.timeout(FAULT_WITHIN_MS),
    });
    if (!response.ok) throw new Error(errorText(response.status, await response.text()));
    withdraw("fault");
  } catch (error) {
    notice("fault", `To ${action} ${kind} ${name} failed: ${error.name === "TimeoutError" ? "no answer" : error.message}`);
  }
  const element = partElement(id);
  if (element) mark(element, "aria-busy", null);
}

/** Has the demo grow by a node. */
async function grow() {
  const button = at("grow");
  button.disabled = true;
  try {
    const response = await fetch("/api/v1/nodes", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: "{}",
      signal: AbortSignal.timeout(GROWN_WITHIN_MS),
    });
    if (!response.ok) throw new Error(errorText(response.status, await response.text()));
    withdraw("grow");
  } catch (error) {
    notice("grow", `To add a node failed: ${error.name === "TimeoutError" ? "no answer" : error.message}`);
  }
  button.disabled = false;
}

// --- Drawing --------------------------------------------------------------------------------------------------------

/** Whether anything can pass a link: its ends are there too. */
function isIdle(link) {
  const down = (part) => part !== undefined && part.state !== "up" && part.state !== "unknown";
  const { switches } = known.cluster;
  return [link.switch, link.to].some((name) => down(switches.find((part) => part.name === name)))
    || down(nodes().find((node) => node.name === link.node));
}

function createPart(part) {
  const group = draw("g", { class: `part ${part.kind}`, "data-name": part.name });
  const create = { node: createNode, switch: createSwitch, link: createLink }[part.kind];
  group.append(...create(part));
  group.addEventListener("click", () => {
    // A click of a mouse does not focus a part of a drawing by itself.
    setCurrent(part.id);
    openMenu(part.id);
  });
  return group;
}

function text(className, x, y, words = "", anchor = "middle") {
  const element = draw("text", { class: className, x, y, "text-anchor": anchor, "dominant-baseline": "central" });
  element.textContent = words;
  return element;
}

function createNode({ name }) {
  const { x, y, width, height } = layout.nodes.get(name);
  const small = height < 80;
  const frame = { x: x - width / 2, y: y - height / 2, width, height, rx: 16 };
  const grown = (by) => ({ x: frame.x - by, y: frame.y - by, width: width + 2 * by, height: height + 2 * by, rx: 16 + by });
  return [
    draw("rect", { class: "halo", ...grown(6) }),
    draw("rect", { class: "body", ...frame }),
    draw("rect", { class: "second", ...grown(-5) }),
    text(name.length > 3 ? "letter long" : "letter", x, y - (small ? 11 : 16), name),
    text("state", x, y + (small ? 13 : 18)),
    draw("g", { class: "watching" }, [
      draw("rect", { x: x - 38, y: frame.y + height - 9, width: 76, height: 18, rx: 9 }),
      text("", x, frame.y + height, "watching"),
    ]),
    draw("title"),
  ];
}

function createSwitch({ name }) {
  const { x, y, width, height, shape } = layout.switches.get(name);
  const rail = shape === "rail";
  const frame = { x: x - width / 2, y: y - height / 2, width, height, rx: rail ? 12 : height / 2 };
  const halo = { x: frame.x - 5, y: frame.y - 5, width: width + 10, height: height + 10, rx: frame.rx + 5 };
  const ports = [...layout.links.values()].filter((link) => rail && link.to.x !== undefined && link.port
    && Math.abs(link.port.y - y) < height / 2).map(({ port }) =>
    draw("rect", { class: "port", x: port.x - 7, y: port.y - 3.5, width: 14, height: 7, rx: 2 }));
  const label = rail
    ? [text("letter", frame.x + 16, y, name, "start"), text("state", frame.x + width - 14, y, "", "end")]
    : [text("letter", x, y - 5, name), text("state", x, y + 11)];
  return [draw("rect", { class: "halo", ...halo }), draw("rect", { class: "body", ...frame }), ...ports, ...label,
    draw("title")];
}

function createLink({ name }) {
  const link = layout.links.get(name);
  const way = linkPath(link);
  const cut = cutPoint(link);
  const share = link.cutAt * 100;
  const cross = draw("g", { class: "cross", transform: `translate(${cut.x} ${cut.y})` }, [
    draw("circle", { r: 10 }),
    draw("path", { d: "M-4-4 4 4M4-4-4 4" }),
  ]);
  return [
    draw("path", { class: "halo", d: way }),
    draw("path", { class: "hit", d: way }),
    draw("path", { class: "wire", d: way }),
    draw("path", { class: "wire broken", d: way, pathLength: 100, "stroke-dasharray": `${share - 9} 18 100` }),
    cross,
    draw("title"),
  ];
}

const STATE_MARKS = { up: "\u25CF ", down: "\u2716 ", hung: "\u275A\u275A ", cut: "\u2716 ", unknown: "? " };

function updatePart(group, part) {
  const word = stateWord(part);
  const label = `${part.kind[0].toUpperCase()}${part.kind.slice(1)} ${part.name}, ${word}`;
  const watched = part.kind === "node" && watchedNode() === part.name;
  const able = choices(part).length > 0;
  mark(group, "data-state", part.state);
  mark(group, "data-idle", part.kind === "link" && isIdle(part.report) ? "" : null);
  mark(group, "data-watched", watched ? "" : null);
  mark(group, "role", able ? "button" : "img");
  mark(group, "aria-label", watched ? `${label}, you watch through it` : label);
  mark(group, "aria-haspopup", able ? "menu" : null);
  mark(group, "aria-expanded", able ? String(opened === part.id) : null);
  mark(group, "tabindex", able ? (current === part.id ? "0" : "-1") : null);
  const state = group.querySelector(".state");
  if (state) write(state, `${STATE_MARKS[word] ?? ""}${word}`);
  const pid = part.report.pid ? `, process ${part.report.pid}` : "";
  write(group.querySelector("title"), `${label}${pid}`);
  if (part.kind === "node") group.style.setProperty("--hue", hue(nodeIndex(part.name)));
}

/** Flows with the lanes that set them apart: `{ key, path, bytes, node }`. */
function lanes() {
  const together = new Map();
  for (const flow of flows()) {
    const way = layout.kind === "rails" ? `${flow.reader} ${flow.network}` : flow.reader;
    together.set(way, [...(together.get(way) ?? []), flow]);
  }
  return [...together.values()].flatMap((group) => {
    group.sort((left, right) => nodeIndex(left.node) - nodeIndex(right.node));
    return group.map((flow, index) => ({
      key: `${flow.node} ${flow.network} ${flow.reader}`,
      path: flowPath(layout, known.cluster, flow, index - (group.length - 1) / 2),
      ...flow,
    }));
  }).filter((flow) => flow.path !== null);
}

/** Draws what flows; called when reads are told and once a second. */
export function drawFlows() {
  if (layout === null) return;
  list(at("map-flows"), lanes(), (flow) => flow.key, () => draw("path", { class: "flow" }), (path, flow) => {
    mark(path, "d", flow.path);
    path.style.setProperty("--hue", hue(nodeIndex(flow.node)));
    path.style.setProperty("--thick", String(Math.min(5, 1.6 + Math.log2(1 + flow.bytes / 100_000))));
  });
}

/** Draws the map as the cluster is now. */
export function drawMap() {
  const { cluster } = known;
  if (cluster === null) return;
  const names = JSON.stringify([cluster.nodes, cluster.switches, cluster.links].map((kind) => kind.map((part) => part.name)));
  if (names !== laidOutFor) {
    laidOutFor = names;
    layout = layoutOf(cluster);
    mark(svg, "viewBox", `0 0 ${layout.width} ${layout.height}`);
    mark(svg, "data-kind", layout.kind);
    // Flows run along rails, and behind what is round.
    if (layout.kind === "ring") svg.insertBefore(at("map-flows"), at("map-switches"));
    else svg.insertBefore(at("map-flows"), at("map-nodes"));
    for (const layer of ["map-links", "map-switches", "map-flows", "map-nodes"]) at(layer).replaceChildren();
  }
  const all = parts();
  if (!all.some((part) => part.id === current)) current = all[0]?.id ?? null;
  for (const [kind, layer] of [["link", "map-links"], ["switch", "map-switches"], ["node", "map-nodes"]]) {
    const drawn = all.filter((part) => part.kind === kind && layout[layer.slice(4)].has(part.name));
    list(at(layer), drawn, (part) => part.id, createPart, updatePart);
  }
  drawFlows();
  at("map-hint").hidden = !cluster.faults || !mayOperate();
  at("grow").hidden = !isSupervisor() || !mayOperate();
  if (opened !== null) fillMenu();
}

// --- By keyboard ----------------------------------------------------------------------------------------------------

function setCurrent(id) {
  current = id;
  for (const element of svg.querySelectorAll(".part[tabindex]")) {
    mark(element, "tabindex", element.dataset.key === id ? "0" : "-1");
  }
  partElement(id)?.focus();
}

/** The middle of a part on the map; that of a link is where it would be cut. */
function middle(id) {
  const [kind, name] = [id.slice(0, id.indexOf(" ")), id.slice(id.indexOf(" ") + 1)];
  if (kind === "link") return cutPoint(layout.links.get(name));
  return (kind === "node" ? layout.nodes : layout.switches).get(name);
}

/** The nearest part in a direction, parts to the side counting as farther; null at the edge. */
function nearest(id, [dx, dy]) {
  const from = middle(id);
  let best = null;
  for (const element of svg.querySelectorAll(".part[tabindex]")) {
    const to = middle(element.dataset.key);
    const along = (to.x - from.x) * dx + (to.y - from.y) * dy;
    const aside = Math.abs((to.x - from.x) * dy) + Math.abs((to.y - from.y) * dx);
    const cost = along + 2 * aside;
    if (along > 1 && (best === null || cost < best.cost)) best = { id: element.dataset.key, cost };
  }
  return best?.id ?? null;
}

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function pressedOnMap(event) {
  const id = event.target.closest?.(".part")?.dataset.key;
  if (!id) return;
  if (ARROWS[event.key]) {
    const next = nearest(id, ARROWS[event.key]);
    if (next !== null) setCurrent(next);
  } else if (event.key === "Enter" || event.key === " ") {
    openMenu(id);
  } else {
    return;
  }
  event.preventDefault();
}

// --- The menu -------------------------------------------------------------------------------------------------------

const openedPart = () => parts().find((part) => part.id === opened);

function openMenu(id) {
  opened = id;
  if (!openedPart() || choices(openedPart()).length === 0) {
    opened = null;
    return;
  }
  menu.hidden = false;
  fillMenu();
  const [area, frame] = [partElement(id).getBoundingClientRect(), box.getBoundingClientRect()];
  const cross = partElement(id).querySelector(".cross circle")?.getBoundingClientRect();
  const anchor = cross ?? area;
  const left = anchor.left + anchor.width / 2 - frame.left - menu.offsetWidth / 2;
  const below = anchor.bottom - frame.top + 8;
  const above = anchor.top - frame.top - menu.offsetHeight - 8;
  const fits = below + menu.offsetHeight <= frame.height + 40;
  menu.style.left = `${Math.max(4, Math.min(left, frame.width - menu.offsetWidth - 4))}px`;
  menu.style.top = `${fits ? below : Math.max(4, above)}px`;
  menu.querySelector("button")?.focus();
  drawMap();
}

function closeMenu(focus = true) {
  if (opened === null) return;
  const id = opened;
  opened = null;
  menu.hidden = true;
  mark(partElement(id), "aria-expanded", "false");
  if (focus) partElement(id)?.focus();
}

function fillMenu() {
  const part = openedPart();
  if (!part) {
    closeMenu(false);
    return;
  }
  const name = `${part.kind[0].toUpperCase()}${part.kind.slice(1)} ${part.name}`;
  write(at("map-menu-name"), `${name} \u00B7 ${stateWord(part)}`);
  mark(menu, "aria-label", name);
  const had = menu.contains(document.activeElement);
  list(at("map-menu-choices"), choices(part), (choice) => choice.key, (choice) => {
    const button = make("button");
    button.type = "button";
    button.setAttribute("role", "menuitem");
    button.dataset.action = choice.key;
    button.addEventListener("click", () => {
      // What is offered may have changed since the button was made.
      const now = openedPart() && choices(openedPart()).find((offered) => offered.key === choice.key);
      closeMenu();
      now?.run();
    });
    return button;
  }, (button, choice) => write(button, choice.words));
  if (had && !menu.contains(document.activeElement)) menu.querySelector("button")?.focus();
}

function pressedOnMenu(event) {
  const buttons = [...menu.querySelectorAll("button")];
  const index = buttons.indexOf(document.activeElement);
  if (event.key === "Escape" || event.key === "Tab") closeMenu();
  else if (event.key === "ArrowDown") buttons[(index + 1) % buttons.length].focus();
  else if (event.key === "ArrowUp") buttons[(index + buttons.length - 1) % buttons.length].focus();
  else if (event.key === "Home") buttons[0].focus();
  else if (event.key === "End") buttons.at(-1).focus();
  else return;
  event.preventDefault();
}

export function watchMap() {
  at("grow").addEventListener("click", grow);
  svg.addEventListener("keydown", pressedOnMap);
  svg.addEventListener("focusin", (event) => {
    const id = event.target.closest?.(".part")?.dataset.key;
    if (id && id !== current) setCurrent(id);
  });
  menu.addEventListener("keydown", pressedOnMenu);
  document.addEventListener("pointerdown", (event) => {
    if (opened !== null && !menu.contains(event.target)) closeMenu(false);
  });
}
