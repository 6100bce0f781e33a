// The console of a node, and of the demo's supervisor: one page for both.
//
// The page follows its own origin's events, and asks it for the state of the cluster when they do not come. It sends
// its own origin uploads, deletions and faults: nodes let no other page write.

import { askCaller, drawCaller, watchCaller } from "./caller.js";
import { at, list, make, mark, notice, withdraw, write } from "./dom.js";
import { follow, isLive } from "./events.js";
import { count, errorText, sizeText } from "./format.js";
import { drawFlows, drawMap, watchMap } from "./map.js";
import { choose, drawPlayer, followCluster, noteWorker, preferred, watchPlayer } from "./player.js";
import { drawReads, noteReads } from "./reads.js";
import { changes, columnState, headline, isAll, isSupervisor, known, nodeNamed, nodes } from "./state.js";
import { drawTitles, drawUpload, watchPages, watchUpload } from "./titles.js";
import { connect, followNode } from "/rain-players.js";

const CLUSTER_EVERY_MS = 1000;
const TITLES_EVERY_MS = 3000;
const CALLER_EVERY_MS = 15000;
/** Titles on a page. Nobody reads more at once, and what is behind it costs nobody anything. */
const TITLES_SHOWN = 50;
const READS_EVERY_MS = 1000;
const CLUSTER_WITHIN_MS = 2500;
/** A node that lists titles waits for silent peers. */
const TITLES_WITHIN_MS = 10000;
const PREFERRED_TITLE = "sample.mp4";

function drawAll() {
  const [health, text] = headline();
  mark(at("headline"), "data-health", health);
  write(at("headline"), text);
  const title = known.cluster ? `RAIN: ${text}` : "RAIN";
  if (document.title !== title) document.title = title;
  drawCaller();
  drawMap();
  drawTitles();
  drawPlayer();
  drawUpload();
  drawRebuilds();
}

// --- Getting well ---------------------------------------------------------------------------------------------------

function drawRebuilds() {
  const running = [...known.rebuilds].filter(([node]) => nodeNamed(node)?.state === "up")
    .flatMap(([node, rebuilds]) => rebuilds.map((rebuild) => ({ node, ...rebuild })));
  const create = () => {
    const item = make("li");
    const bar = make("progress");
    bar.max = 1;
    item.append(make("span"), bar, make("span", "number"));
    return item;
  };
  list(at("rebuilds"), running, (one) => JSON.stringify([one.node, one.title, one.column]), create, (item, one) => {
    const [what, bar, much] = item.children;
    write(what, `Column ${one.column} of ${one.title} on ${one.node}`);
    mark(bar, "aria-label", what.textContent);
    bar.value = one.bytes > 0 ? one.done_bytes / one.bytes : 1;
    write(much, `${sizeText(one.done_bytes)} of ${sizeText(one.bytes)}`);
  });
  const lacking = known.titles.flatMap((title) => title.columns).filter((column) => columnState(column) !== "ok");
  const whole = isAll() ? "every column" : "every column of the titles shown";
  let text = known.titles.length > 0 ? `Nothing to rebuild: ${whole} is where it belongs.` : "";
  if (running.length > 0) text = "";
  else if (lacking.length > 0) text = lacking.length === 1 ? "1 column waits for its node." : `${lacking.length} columns wait for their nodes.`;
  write(at("rebuilds-text"), text);
}

// --- News -----------------------------------------------------------------------------------------------------------

/** Takes a report of the cluster, from an event or an answer. */
function noteCluster(report) {
  const before = new Map(nodes().map((node) => [node.name, node.state]));
  const news = changes(known.cluster, report);
  known.cluster = report;
  known.silentSince = null;
  known.refused = false;
  withdraw("cluster");
  if (news.length > 0) {
    mark(at("news"), "data-kind", news.some((one) => one.kind !== "up") ? "bad" : "good");
    write(at("news"), `${new Date().toLocaleTimeString("en-GB")}  ${news.map((one) => one.text).join(". ")}.`);
  }
  followCluster(before);
  chooseFirst();
  drawAll();
  if (before.size === 0) useWorker();
  const changed = nodes().some((node) => before.get(node.name) !== node.state);
  if (changed && before.size > 0) pollTitles();
}

/** Lets a worker answer for the page of a node, so that what plays outlives the node. The supervisor needs none. */
async function useWorker() {
  if (isSupervisor()) return;
  // Where the browser lets no worker in, the player moves by itself.
  if (!(await connect().catch(() => false))) return;
  followNode((node) => { known.workerOrigin = node; });
  noteWorker();
}

function chooseFirst() {
  if (known.playing !== null || known.cluster === null) return;
  const first = known.titles.find((title) => title.title === PREFERRED_TITLE) ?? known.titles[0];
  if (first && preferred() !== null) choose(first.title, { byPage: true });
}

async function ask(path, withinMs) {
  const response = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(withinMs) });
  if (!response.ok) throw new Error(errorText(response.status, await response.text()));
  return response.json();
}

/** Asks for the state of the cluster, unless events tell it. */
async function pollCluster() {
  if (isLive()) return;
  const before = new Map(nodes().map((node) => [node.name, node.state]));
  try {
    noteCluster(await ask("/api/v1/cluster", CLUSTER_WITHIN_MS));
  } catch (error) {
    known.silentSince ??= Date.now();
    known.refused = error instanceof TypeError;
    const seconds = Math.round((Date.now() - known.silentSince) / 1000);
    const why = error.name === "TimeoutError" || error instanceof TypeError ? "" : `: ${error.message}`;
    const since = seconds > 0 ? ` for ${count(seconds, "second")}` : "";
    notice("cluster", `${location.host} has not answered${since}${why}. What is shown may be old; asking again.`);
    followCluster(before);
    drawAll();
  }
}

/** The title in the player, where it is on another page. */
async function askElsewhere() {
  const { playing } = known;
  if (playing === null || known.titles.some((title) => title.title === playing)) return null;
  try {
    return await ask(`/api/v1/titles/${encodeURIComponent(playing)}`, TITLES_WITHIN_MS);
  } catch {
    // What is not known of it is not shown; that it cannot be read, the player says.
    return null;
  }
}

/** Asks for the page that is shown; nobody looks at one that is hidden. */
async function pollShown() {
  if (!document.hidden) await pollTitles();
}

async function pollTitles() {
  known.titlesAsked += 1;
  const asked = known.titlesAsked;
  try {
    const { page } = known;
    const { prefix, before } = page;
    const after = before.at(-1) ?? "";
    // One more, to see whether there is one.
    const query = new URLSearchParams({ prefix, after, limit: TITLES_SHOWN + 1 });
    const titles = await ask(`/api/v1/titles?${query}`, TITLES_WITHIN_MS);
    // Of two questions under way, the later one has the newer answer; that for a page which was left has none.
    if (asked > known.titlesAnswered && page === known.page) {
      known.titles = titles.slice(0, TITLES_SHOWN);
      page.more = titles.length > TITLES_SHOWN;
      known.titlesAnswered = asked;
    }
    known.elsewhere = await askElsewhere();
    withdraw("titles");
  } catch (error) {
    // A silent origin is reported once, by the other question.
    if (known.silentSince === null && known.cluster) {
      const why = error.name === "TimeoutError" ? "no answer in time" : error.message;
      notice("titles", `The titles could not be listed: ${why}`);
    }
  }
  chooseFirst();
  drawAll();
}

/** Asks again and again, each time after the answer before. */
async function repeat(question, everyMs) {
  for (;;) {
    await question();
    await new Promise((resolve) => { setTimeout(resolve, everyMs); });
  }
}

watchCaller(() => {
  drawAll();
  // What is shown may be more now, or less.
  pollTitles();
});
watchPlayer();
watchMap();
watchUpload(pollTitles);
watchPages(pollTitles);
follow({
  cluster: noteCluster,
  reads: (second) => {
    noteReads(second);
    drawFlows();
  },
  rebuilds: ({ node, rebuilds }) => {
    known.rebuilds.set(node, rebuilds);
    drawRebuilds();
    // What was rebuilt is whole now.
    if (rebuilds.length === 0) pollTitles();
  },
}, () => { if (known.cluster !== null) pollCluster(); });
// Events come first where they come at all.
setTimeout(() => repeat(pollCluster, CLUSTER_EVERY_MS), 300);
repeat(pollShown, TITLES_EVERY_MS);
repeat(askCaller, CALLER_EVERY_MS);
setInterval(() => {
  drawReads();
  drawMap();
  drawPlayer();
}, READS_EVERY_MS);
