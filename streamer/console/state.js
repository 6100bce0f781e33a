// What the page knows, and what follows from it. Everything on the page is drawn from this.

import { count } from "./format.js";

export const known = {
  /** The last that was told of the cluster, or null before the first. */
  cluster: null,
  /** Since when the page's own origin does not answer, in ms; null while it does. */
  silentSince: null,
  /** Whether it refuses connections: then it is not just slow. */
  refused: false,
  /** The titles of the page that is shown, as the nodes list them. */
  titles: [],
  /** Which page that is: titles whose names begin with `prefix`, behind the last of each page before. */
  page: { prefix: "", before: [], more: false },
  /** The title in the player, where it is not on that page. */
  elsewhere: null,
  /** Number of the last question for the titles, and of the last one whose answer is in `titles`. */
  titlesAsked: 0,
  titlesAnswered: 0,
  /** Name of the title in the player. */
  playing: null,
  /** Name of the node that the viewer is attached to; ANY when supervisor or worker choose; null before the first. */
  attached: null,
  /** Whether a worker answers for the page, which goes on at another node where one is silent. */
  worker: false,
  /** Origin of the node that answers the worker; null before the first. */
  workerOrigin: null,
  /** Nodes that failed to deliver the title in the player since it last played. */
  failed: new Set(),
  /** Name of the title that came as it is stored, and that this browser cannot play; null for none. */
  unplayable: null,
  /** Who the page is to its node: `{ name, role, prefix, login }`; null before the first answer. */
  caller: null,
  /** An upload on its way: `{ title, done, total, abort }`. */
  upload: null,
  /** What nodes rebuild: lists by the node's name. */
  rebuilds: new Map(),
};

/** Whether the page may store and delete what begins so. Before that is known, the node is let say it. */
export function mayPublish(title) {
  const { caller } = known;
  return caller === null || (["publisher", "operator"].includes(caller.role) && title.startsWith(caller.prefix));
}

/** Whether the page may store anything at all. */
export const mayPublishAny = () => mayPublish(known.caller?.prefix ?? "");

/** Whether the page may cut, hang and heal. */
export const mayOperate = () => known.caller === null || known.caller.role === "operator";

/** Attached to whichever node the demo's supervisor chooses, or the page's worker. */
export const ANY = "";

/** The nodes as they are now. When the page's own node is silent, its last word on itself no longer counts. */
export function nodes() {
  const { cluster, silentSince } = known;
  const own = cluster?.observer;
  return (cluster?.nodes ?? []).map((node) =>
    silentSince !== null && (own == null || node.name === own) ? { ...node, state: "unknown" } : node);
}

export const nodeNamed = (name) => nodes().find((node) => node.name === name);

export const nodeIndex = (name) => (known.cluster?.nodes ?? []).findIndex((node) => node.name === name);

/** Whether the page comes from the demo's supervisor, which delivers titles through any node. */
export const isSupervisor = () => known.cluster !== null && known.cluster.observer == null;

/** Whether somebody finds a node by themselves, and another in the middle of a title. */
export const hasAny = () => isSupervisor() || known.worker;

export const isDead = (name) => ["down", "hung"].includes(nodeNamed(name)?.state);

/** Where titles come from for a viewer attached to `name`; null for a node that is not there. */
export function origin(name) {
  if (name === ANY || name === known.cluster?.observer) return location.origin;
  const node = nodeNamed(name);
  return node ? new URL(node.http).origin : null;
}

export const titleUrl = (base, title) => `${base}/v/${encodeURIComponent(title)}`;

/** Where the player reads a title from: a worker answers players that ask for it. */
export const playerUrl = (name, title) =>
  `${titleUrl(origin(name), title)}${name === ANY && known.worker ? "?worker" : ""}`;

export const titlePlaying = () =>
  [...known.titles, known.elsewhere].find((title) => title !== null && title.title === known.playing);

/** Whether the page has all titles there are. */
export const isAll = () => known.page.prefix === "" && known.page.before.length === 0 && !known.page.more;

/** A column's state; the cluster's news of a dead node come sooner than the list of titles. */
export function columnState(column) {
  return isDead(column.node) && column.state === "ok" ? "unreachable" : column.state;
}

/** How many columns a code needs, by its name; null for a code that this page does not know. */
export function columnsNeeded(code, columnCount) {
  const [family, size] = code.split(":");
  switch (family) {
    case "b-code":
    case "x-code": return columnCount - 2;
    case "dual-b-code": return 2;
    case "rs":
    case "parity": return Number.parseInt(size, 10);
    case "replica": return 1;
    default: return null;
  }
}

/** How many more columns a title can lose; below 0 it cannot be read. */
export function margin(title) {
  const needed = columnsNeeded(title.code, title.columns.length);
  const sound = title.columns.filter((column) => columnState(column) === "ok").length;
  return needed === null ? title.tolerates : sound - needed;
}

/** The line at the top: `[health, text]`. */
export function headline() {
  const all = nodes();
  if (all.length === 0) return ["unknown", "Asking for the state of the cluster"];
  if (all.every((node) => node.state === "unknown")) return ["bad", "The state of the nodes is unknown"];
  const up = all.filter((node) => node.state === "up").length;
  const cut = known.cluster.switches.filter((part) => part.state === "down").length;
  const cutText = cut > 0 ? `, ${cut} ${cut === 1 ? "switch" : "switches"} down` : "";
  const text = `${up} of ${count(all.length, "node")} up${cutText}`;
  const whole = up === all.length && cut === 0;
  if (known.titles.length === 0) return [whole ? "good" : "fair", text];
  const least = Math.min(...known.titles.map(margin));
  if (least < 0) {
    const lost = known.titles.filter((title) => margin(title) < 0).length;
    const shown = isAll() ? "" : "of those shown, ";
    return ["bad", `${text}; ${shown}${count(lost, "title")} cannot be read until nodes return`];
  }
  const shown = isAll() ? "" : ", for the titles shown";
  if (least === 0) return ["fair", `${text}; none more can go${shown}`];
  return [whole ? "good" : "fair", `${text}; any ${least} ${up === all.length ? "" : "more "}can go${shown}`];
}

const WORDS = {
  node: { down: "is down", hung: "hangs", up: "is back", unknown: "is not known of any more" },
  part: { down: "is down", up: "is back", unknown: "is not known of any more" },
};

/** What has changed from one report of the cluster to the next, in words. */
export function changes(before, after) {
  if (before === null) return [];
  const news = [];
  for (const [kind, noun, words] of [
    ["nodes", "Node", WORDS.node], ["switches", "Switch", WORDS.part], ["links", "Link", WORDS.part],
  ]) {
    const old = new Map(before[kind].map((part) => [part.name, part.state]));
    for (const part of after[kind]) {
      const was = old.get(part.name);
      if (was !== undefined && was !== part.state) {
        // What was not known and is up has not come back.
        const quiet = was === "unknown" && part.state === "up";
        const word = part.state === "down" && kind !== "nodes" && after.faults && after.observer == null
          ? "is cut" : words[part.state] ?? `is ${part.state}`;
        if (!quiet) news.push({ kind: part.state, text: `${noun} ${part.name} ${word}` });
      }
    }
  }
  return news;
}
