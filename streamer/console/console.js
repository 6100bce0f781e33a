// The console of a node, and of the demo's supervisor: one page for both.
//
// The page asks its own origin for the state of the cluster and for the titles, and sends it uploads and deletions:
// nodes let no other page write. Media come from one node, to which the viewer is attached: at first the node that
// serves the page, or, from the supervisor, any that is up. When that node goes, the player moves to another and goes on
// where it was.

const CLUSTER_EVERY_MS = 1000;
const TITLES_EVERY_MS = 3000;
const CLUSTER_WITHIN_MS = 2500;
/** A node that lists titles waits for silent peers. */
const TITLES_WITHIN_MS = 10000;
/** For so long the node that serves the page may be silent before the viewer leaves it. */
const SILENT_MS = 3000;
const PREFERRED_TITLE = "sample.mp4";

const at = (id) => document.getElementById(id);
const video = at("video");

/** What the page knows. Everything on it is drawn from this by `draw`. */
const known = {
  /** The last answer of /api/v1/cluster, or null before the first. */
  cluster: null,
  /** Since when the page's own origin does not answer, in ms; null while it does. */
  silentSince: null,
  titles: [],
  /** Number of the last question for the titles, and of the last one whose answer is in `titles`. */
  titlesAsked: 0,
  titlesAnswered: 0,
  /** Name of the title in the player. */
  playing: null,
  /** Name of the node that the viewer is attached to. */
  attached: null,
  /** Nodes that failed to deliver the title in the player since it last played. */
  failed: new Set(),
  /** An upload on its way: `{ title, done, total, abort }`. */
  upload: null,
};

// --- What follows from it -------------------------------------------------------------------------------------------

/** The nodes as they are now. When the page's own node is silent, its last word on itself no longer counts. */
function nodes() {
  const { cluster, silentSince } = known;
  const own = cluster?.observer;
  return (cluster?.nodes ?? []).map((node) =>
    silentSince !== null && (own == null || node.name === own) ? { ...node, state: "unknown" } : node);
}

const nodeNamed = (name) => nodes().find((node) => node.name === name);

/** Where a node is reached; the node that serves this page, as the page was. */
function origin(node) {
  return node.name === known.cluster.observer ? location.origin : new URL(node.http).origin;
}

const titleUrl = (base, title) => `${base}/v/${encodeURIComponent(title)}`;

/** A column's state; the cluster's news of a dead node come sooner than the list of titles. */
function columnState(column) {
  const dead = ["down", "hung"].includes(nodeNamed(column.node)?.state);
  return dead && column.state === "ok" ? "unreachable" : column.state;
}

/** How many columns a code needs, by its name; null for a code that this page does not know. */
function columnsNeeded(code, columnCount) {
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
function margin(title) {
  const needed = columnsNeeded(title.code, title.columns.length);
  const sound = title.columns.filter((column) => columnState(column) === "ok").length;
  return needed === null ? title.tolerates : sound - needed;
}

const count = (number, noun) => `${number} ${noun}${number === 1 ? "" : "s"}`;

function sizeText(bytes) {
  if (bytes < 1000) return count(bytes, "byte");
  const units = ["kB", "MB", "GB", "TB", "PB"];
  let unit = -1;
  let number = bytes;
  do {
    number /= 1000;
    unit += 1;
  } while (number >= 999.5 && unit < units.length - 1);
  return `${number.toFixed(number < 9.995 ? 2 : number < 99.95 ? 1 : 0)} ${units[unit]}`;
}

function clockText(seconds) {
  const whole = Math.floor(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

/** The line at the top: `[health, text]`. */
function headline() {
  const all = nodes();
  if (all.length === 0) return ["unknown", "Asking for the state of the cluster"];
  if (all.every((node) => node.state === "unknown")) return ["bad", "The state of the nodes is unknown"];
  const up = all.filter((node) => node.state === "up").length;
  const text = `${up} of ${count(all.length, "node")} up`;
  if (known.titles.length === 0) return [up === all.length ? "good" : "fair", text];
  const least = Math.min(...known.titles.map(margin));
  if (least < 0) {
    const lost = known.titles.filter((title) => margin(title) < 0).length;
    return ["bad", `${text}; ${count(lost, "title")} cannot be read until nodes return`];
  }
  if (least === 0) return ["fair", `${text}; none more can go`];
  const whole = up === all.length;
  return [whole ? "good" : "fair", `${text}; any ${least} ${whole ? "" : "more "}can go`];
}

// --- Drawing --------------------------------------------------------------------------------------------------------

/** Sets a text only when it differs, so that what is read aloud or selected stays. */
function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function mark(element, name, value) {
  if (value === null) element.removeAttribute(name);
  else if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text) element.textContent = text;
  return element;
}

/**
 * Makes the children of a parent those of a list, by key. Children that stay keep their element, hence the keyboard's
 * focus and their place.
 */
function list(parent, items, key, create, update) {
  const old = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  items.forEach((item, index) => {
    const name = String(key(item));
    let child = old.get(name);
    old.delete(name);
    if (!child) {
      child = create(item);
      child.dataset.key = name;
    }
    if (parent.children[index] !== child) parent.insertBefore(child, parent.children[index] ?? null);
    update(child, item);
  });
  for (const child of old.values()) child.remove();
}

function drawNodes() {
  const create = () => {
    const card = make("li", "node");
    const link = make("a");
    link.target = "_blank";
    link.rel = "noopener";
    card.append(make("span", "letter"), make("span", "state"), link, make("span", "watching", "you watch here"));
    return card;
  };
  list(at("nodes"), nodes(), (node) => node.name, create, (card, node) => {
    const [letter, state, link, watching] = card.children;
    const attached = node.name === known.attached && known.playing !== null;
    mark(card, "data-state", node.state);
    mark(card, "data-attached", attached ? "" : null);
    mark(letter, "data-long", node.name.length > 3 ? "" : null);
    write(letter, node.name);
    write(state, node.state);
    const { hostname, host, port } = new URL(node.http);
    write(link, `${hostname === location.hostname ? `port ${port || 80}` : host} \u2197`);
    mark(link, "href", node.http);
    mark(link, "aria-label", `Console of node ${node.name}`);
    mark(card, "title", node.pid ? `Node ${node.name}, process ${node.pid}` : `Node ${node.name}`);
    watching.hidden = !attached;
  });

  const through = at("through");
  list(through, nodes(), (node) => node.name, (node) => new Option("", node.name), (option, node) => {
    write(option, node.state === "up" ? `node ${node.name}` : `node ${node.name} (${node.state})`);
  });
  through.disabled = known.cluster === null;
  if (known.attached !== null && through.value !== known.attached) through.value = known.attached;
}

const STATE_WORDS = {
  ok: "whole",
  missing: "missing",
  damaged: "damaged",
  unreachable: "unreachable",
};

function drawCell(cell, column) {
  const state = columnState(column);
  const words = `Column ${column.index} on node ${column.node}: ${STATE_WORDS[state] ?? state}`;
  mark(cell, "data-state", state);
  mark(cell, "title", column.reason ? `${words} (${column.reason})` : words);
  mark(cell, "role", "img");
  mark(cell, "aria-label", words);
  write(cell, state === "damaged" ? "!" : column.node.slice(0, 2));
}

function drawTitles() {
  at("titles-none").hidden = known.titles.length > 0 || known.titlesAnswered === 0;
  list(at("titles"), known.titles, (title) => title.title, createRow, (row, title) => {
    const [name, size, code, version, tolerates, columns] = row.children;
    mark(row, "aria-current", String(title.title === known.playing));
    write(name.firstChild, title.title);
    write(size, sizeText(title.bytes));
    mark(size, "title", `${title.bytes.toLocaleString("en")} bytes`);
    write(code, title.code);
    write(version, title.version.split("-")[0]);
    mark(version, "title", `Version ${title.version}`);
    const left = margin(title);
    write(tolerates, left < 0 ? "cannot be read" : left === 0 ? "can lose no more" : `can lose ${count(left, "column")}`);
    mark(tolerates, "data-margin", left < 0 ? "lost" : left === 0 ? "none" : "some");
    list(columns.firstChild, title.columns, (column) => column.index, () => make("span", "cell"), drawCell);
  });
}

function createRow(title) {
  const row = make("tr");
  const play = make("button", "title");
  play.type = "button";
  play.setAttribute("aria-label", `Play ${title.title}`);
  play.addEventListener("click", () => choose(title.title));
  const remove = make("button", "quiet", "Delete");
  remove.type = "button";
  remove.setAttribute("aria-label", `Delete ${title.title}`);
  remove.addEventListener("click", () => confirmDeletion(title.title));
  const cells = [play, null, null, null, null, make("div", "cells"), remove].map((content) => {
    const cell = make("td");
    if (content) cell.append(content);
    return cell;
  });
  cells[1].className = "number";
  cells[3].className = "number";
  cells[4].className = "margin";
  row.append(...cells);
  return row;
}

function drawPlayer() {
  at("nothing").hidden = known.playing !== null;
  write(at("playing"), known.playing ?? "No title chosen");
  const title = known.titles.find((title) => title.title === known.playing);
  const columns = title?.columns ?? [];
  const create = () => {
    const item = make("li");
    item.append(make("span", "cell"), make("span"));
    return item;
  };
  list(at("stripe"), columns, (column) => column.index, create, (item, column) => {
    const [cell, words] = item.children;
    drawCell(cell, column);
    write(words, STATE_WORDS[columnState(column)] ?? columnState(column));
  });
  const needed = title && columnsNeeded(title.code, columns.length);
  let text = "Choose a title to see its columns.";
  if (title) {
    text = `${title.title} lies in ${count(columns.length, "column")}, one to a node`;
    text += needed === null ? "." : `; any ${needed} give it back.`;
  }
  write(at("stripe-text"), text);
}

function drawUpload() {
  const upload = known.upload;
  at("upload-progress").hidden = upload === null;
  at("upload-file").disabled = upload !== null;
  at("upload-title").disabled = upload !== null;
  const button = at("upload-button");
  write(button, upload ? "Cancel" : "Upload");
  button.classList.toggle("main", upload === null);
  if (!upload) return;
  at("upload-bar").value = upload.total > 0 ? upload.done / upload.total : 1;
  // The last bytes are sent before they are durable on enough nodes.
  const sent = upload.done >= upload.total;
  write(at("upload-text"), sent ? "storing" : `${sizeText(upload.done)} of ${sizeText(upload.total)}`);
}

function draw() {
  const [health, text] = headline();
  mark(at("headline"), "data-health", health);
  write(at("headline"), text);
  const title = known.cluster ? `RAIN: ${text}` : "RAIN";
  if (document.title !== title) document.title = title;
  if (known.cluster) drawNodes();
  drawTitles();
  drawPlayer();
  drawUpload();
}

// --- Notices --------------------------------------------------------------------------------------------------------

/** Shows a notice; one of the same subject takes the place of the one before. */
function notice(subject, text, kind = "problem") {
  const box = make("div", "notice");
  box.dataset.subject = subject;
  box.dataset.kind = kind;
  const close = make("button", "quiet", "Dismiss");
  close.type = "button";
  close.addEventListener("click", () => box.remove());
  box.append(make("p", "", text), close);
  const old = noticeAbout(subject);
  if (old?.firstChild.textContent === text) return;
  if (old) old.replaceWith(box);
  else at("notices").append(box);
}

const noticeAbout = (subject) =>
  [...at("notices").children].find((box) => box.dataset.subject === subject);

const withdraw = (subject) => noticeAbout(subject)?.remove();

/** An error object of the API in plain words. */
function errorText(status, body) {
  let error = null;
  try {
    error = JSON.parse(body);
  } catch {
    // Not the API's: a proxy's page, or nothing. The status says what there is to say.
  }
  if (!error?.message) return `the answer was HTTP ${status}`;
  const text = (value) => (typeof value === "string" ? value : JSON.stringify(value));
  const numbers = [];
  for (const name of ["found", "expected"]) {
    // Many messages say the numbers themselves.
    if (error[name] != null && !error.message.includes(text(error[name]))) numbers.push(`${name} ${text(error[name])}`);
  }
  return numbers.length > 0 ? `${error.message} (${numbers.join(", ")})` : error.message;
}

// --- The player -----------------------------------------------------------------------------------------------------

/** Chooses a title and plays it from its start. */
function choose(title) {
  known.playing = title;
  known.failed.clear();
  withdraw("player");
  if (!known.attached) attach(preferredNode());
  load(0);
  draw();
}

/** The node to attach to: the page's own, else the first that is up and has not failed. */
function preferredNode() {
  const able = nodes().filter((node) => node.state === "up" && !known.failed.has(node.name));
  return (able.find((node) => node.name === known.cluster.observer) ?? able[0])?.name ?? null;
}

function attach(name, why = "") {
  known.attached = name;
  write(at("attachment"), name === null ? "" : why || `Attached to node ${name}`);
}

/** Points the player at the attached node and plays from a time. */
function load(seconds) {
  const node = nodeNamed(known.attached);
  if (!node || known.playing === null) return;
  video.src = titleUrl(origin(node), known.playing);
  if (seconds > 0) video.currentTime = seconds;
  play();
}

async function play() {
  try {
    await video.play();
  } catch (error) {
    // Browsers let a page start with sound only after a press of a key or button. Errors of the media come as events.
    if (error.name !== "NotAllowedError" || video.muted) return;
    video.muted = true;
    await video.play().catch(() => {});
  }
}

/** Moves the viewer from a node that fails to another, at the same place in the title. */
function moveOn(from, reason) {
  known.failed.add(from);
  const next = preferredNode();
  if (next === null) {
    const title = known.titles.find((title) => title.title === known.playing);
    const why = title && margin(title) < 0
      ? "too few of its columns can be reached"
      : "no node delivers it as something that this browser can play";
    notice("player", `${known.playing} cannot be played now: ${why}.`);
    return;
  }
  const seconds = video.currentTime;
  const paused = video.paused && seconds > 0;
  attach(next, `Moved from node ${from}, which ${reason}, to node ${next} at ${clockText(seconds)}`);
  load(seconds);
  if (paused) video.pause();
}

/** Why the viewer must leave the attached node, or null. A node that serves this page may just be slow to answer. */
function reasonToLeave() {
  const node = nodeNamed(known.attached);
  if (!node) return "is gone";
  if (["down", "hung"].includes(node.state)) return `is ${node.state}`;
  const own = node.name === known.cluster.observer;
  return own && known.silentSince !== null && Date.now() - known.silentSince >= SILENT_MS ? "is silent" : null;
}

/** Follows the cluster: leaves a node that is gone, and tries again when one has come back. */
function followCluster(before) {
  const came = nodes().filter((node) => node.state === "up" && before.get(node.name) !== "up");
  for (const node of came) known.failed.delete(node.name);
  const other = preferredNode();
  if (other === null) return;
  if (known.attached === null) {
    attach(other);
  } else if (noticeAbout("player") && came.length > 0) {
    withdraw("player");
    attach(other);
    load(video.currentTime);
  } else {
    const reason = reasonToLeave();
    if (reason === null || other === known.attached) return;
    if (known.playing === null || video.ended) attach(other);
    else moveOn(known.attached, reason);
  }
}

function watchPlayer() {
  video.addEventListener("error", () => {
    if (known.playing !== null && video.getAttribute("src")) moveOn(known.attached, "did not deliver it");
  });
  video.addEventListener("timeupdate", () => {
    if (video.currentTime > 0 && !video.error && !video.paused) {
      known.failed.clear();
      withdraw("player");
    }
  });
  at("through").addEventListener("change", (event) => {
    const [seconds, paused] = [video.currentTime, video.paused];
    known.failed.clear();
    withdraw("player");
    attach(event.target.value);
    load(seconds);
    if (paused) video.pause();
    draw();
  });
}

/** Nothing is left to play: the player is emptied. */
function unload() {
  known.playing = null;
  video.removeAttribute("src");
  video.load();
}

// --- Uploads and deletions ------------------------------------------------------------------------------------------

/** Sends a request about a title to the page's own origin. Resolves to the error in plain words, or to null. */
function send(method, title, { body = null, progress = () => {}, started = () => {} } = {}) {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    request.open(method, titleUrl(location.origin, title));
    request.upload.addEventListener("progress", (event) => progress(event.loaded));
    request.addEventListener("load", () => {
      const good = request.status >= 200 && request.status < 300;
      resolve(good ? null : errorText(request.status, request.responseText));
    });
    request.addEventListener("error", () => resolve(`${location.host} does not answer`));
    request.addEventListener("abort", () => resolve("cancelled"));
    started(() => request.abort());
    request.send(body);
  });
}

async function upload(file, title) {
  withdraw("upload");
  const state = { title, done: 0, total: file.size, abort: () => {} };
  known.upload = state;
  draw();
  const problem = await send("PUT", title, {
    body: file,
    progress: (done) => {
      state.done = Math.min(done, state.total);
      drawUpload();
    },
    started: (abort) => { state.abort = abort; },
  });
  known.upload = null;
  if (problem === null) {
    notice("upload", `${title} is stored (${sizeText(file.size)})`, "done");
    at("upload").reset();
    await pollTitles();
  } else {
    notice("upload", `${title} was not stored: ${problem}`);
  }
  draw();
}

function watchUpload() {
  at("upload-file").addEventListener("change", (event) => {
    const [file] = event.target.files;
    if (file) at("upload-title").value = file.name;
  });
  at("upload").addEventListener("submit", (event) => {
    event.preventDefault();
    if (known.upload) {
      known.upload.abort();
      return;
    }
    const [file] = at("upload-file").files;
    upload(file, at("upload-title").value);
  });
}

async function confirmDeletion(title) {
  const dialog = at("confirm");
  write(at("confirm-text"), `Delete ${title} from every node? It cannot be brought back.`);
  dialog.returnValue = "no";
  dialog.showModal();
  await new Promise((resolve) => { dialog.addEventListener("close", resolve, { once: true }); });
  if (dialog.returnValue !== "yes") return;
  const problem = await send("DELETE", title);
  if (problem === null) {
    notice("delete", `${title} is deleted`, "done");
    if (known.playing === title) unload();
    await pollTitles();
  } else {
    notice("delete", `${title} was not deleted: ${problem}`);
  }
  draw();
}

// --- Asking ---------------------------------------------------------------------------------------------------------

async function ask(path, withinMs) {
  const response = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(withinMs) });
  if (!response.ok) throw new Error(errorText(response.status, await response.text()));
  return response.json();
}

async function pollCluster() {
  const before = new Map(nodes().map((node) => [node.name, node.state]));
  try {
    known.cluster = await ask("/api/v1/cluster", CLUSTER_WITHIN_MS);
    known.silentSince = null;
    withdraw("cluster");
  } catch (error) {
    known.silentSince ??= Date.now();
    const seconds = Math.round((Date.now() - known.silentSince) / 1000);
    const why = error.name === "TimeoutError" || error instanceof TypeError ? "" : `: ${error.message}`;
    const since = seconds > 0 ? ` for ${count(seconds, "second")}` : "";
    notice("cluster", `${location.host} has not answered${since}${why}. What is shown may be old; asking again.`);
  }
  const changed = nodes().some((node) => before.get(node.name) !== node.state);
  followCluster(before);
  draw();
  if (changed && before.size > 0) pollTitles();
}

async function pollTitles() {
  known.titlesAsked += 1;
  const asked = known.titlesAsked;
  try {
    const titles = await ask("/api/v1/titles", TITLES_WITHIN_MS);
    // Of two questions under way, the later one has the newer answer.
    if (asked > known.titlesAnswered) {
      known.titles = titles;
      known.titlesAnswered = asked;
    }
    withdraw("titles");
  } catch (error) {
    // A silent origin is reported once, by the other question.
    if (known.silentSince === null && known.cluster) {
      const why = error.name === "TimeoutError" ? "no answer in time" : error.message;
      notice("titles", `The titles could not be listed: ${why}`);
    }
  }
  if (known.playing === null && known.cluster) {
    const first = known.titles.find((title) => title.title === PREFERRED_TITLE) ?? known.titles[0];
    if (first && preferredNode() !== null) choose(first.title);
  }
  draw();
}

/** Asks again and again, each time after the answer before. */
async function repeat(question, everyMs) {
  for (;;) {
    await question();
    await new Promise((resolve) => { setTimeout(resolve, everyMs); });
  }
}

watchPlayer();
watchUpload();
repeat(pollCluster, CLUSTER_EVERY_MS);
repeat(pollTitles, TITLES_EVERY_MS);
