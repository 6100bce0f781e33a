// The player: which title, through which node, and how it goes on when that node goes.
//
// Media come from one node, to which the viewer is attached, or from any that is up: the demo's supervisor chooses one, or the
// page's worker does, and both go on at another in the middle of a title. When what the viewer is attached to goes or the
// picture stalls, the player moves to something else and goes on where it was.

import { at, list, make, mark, notice, noticeAbout, withdraw, write } from "./dom.js";
import { clockText, count } from "./format.js";
import { readingNode } from "./reads.js";
import {
  ANY, columnState, columnsNeeded, hasAny, isSupervisor, known, margin, nodeNamed, nodes, origin, playerUrl, titlePlaying,
  titleUrl,
} from "./state.js";

/** For so long the node that serves the page may be silent before the viewer leaves it. */
const SILENT_MS = 3000;
/** A picture that waits for so long moves the viewer to another node. */
const STALL_MS = 250;
/** The supervisor finds another node by itself; only when that takes so long it is asked anew. */
const STALL_ANY_MS = 2000;
/** A node is given so long to bring the picture before the viewer leaves it, too. */
const CHANCE_MS = 1500;
/** Why the viewer was moved is told for so long. */
const TOLD_MS = 20000;
/** Whether a title is delivered must be answered within this. */
const DELIVERED_MS = 2500;
/** The length of the drawn buffer, in seconds. */
const BUFFER_SECONDS = 20;
const BUFFER_EVERY_MS = 200;

const video = at("video");
/** Shows the last picture while another node is found. */
const still = at("still");
let movedAt = -Infinity;
let stallTimer = null;
/** The page took the sound away, not the viewer. */
let hushed = false;

export const STATE_WORDS = { ok: "whole", missing: "missing", damaged: "damaged", unreachable: "unreachable" };

/** Chooses a title and plays it from its start: without sound where the page does it and nobody has asked for any. */
export function choose(title, { byPage = false } = {}) {
  known.playing = title;
  known.unplayable = null;
  known.failed.clear();
  hush(byPage);
  withdraw("player");
  if (known.attached === null) attach(preferred());
  load(0);
  drawPlayer();
}

/** Nothing is left to play: the player is emptied. */
export function unload() {
  known.playing = null;
  known.unplayable = null;
  video.removeAttribute("src");
  video.load();
}

/** What to attach to: the choice of supervisor or worker, else the page's own node, else the first that is up; null for none. */
export function preferred(but = null) {
  const able = nodes().filter((node) => node.state === "up" && node.name !== but && !known.failed.has(node.name));
  if (hasAny() && but !== ANY && !known.failed.has(ANY)) return able.length > 0 ? ANY : null;
  return (able.find((node) => node.name === known.cluster?.observer) ?? able[0])?.name ?? null;
}

const placeText = (name) => (name === ANY ? "whichever node is up" : `node ${name}`);

function attach(name, why = "") {
  known.attached = name;
  mark(at("attachment"), "data-why", why === "" ? null : why);
}

/** Points the player at what the viewer is attached to and plays from a time. */
function load(seconds) {
  if (known.attached === null || origin(known.attached) === null || known.playing === null) return;
  keepPicture();
  movedAt = performance.now();
  video.src = playerUrl(known.attached, known.playing);
  if (seconds > 0) video.currentTime = seconds;
  play();
}

/** Leaves the last picture standing until the next one comes: a player with a new source is black. */
function keepPicture() {
  if (video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA || video.videoWidth === 0) return;
  still.width = video.videoWidth;
  still.height = video.videoHeight;
  still.getContext("2d").drawImage(video, 0, 0);
  still.hidden = false;
}

function hush(quiet) {
  if (quiet && !video.muted) {
    video.muted = true;
    hushed = true;
  } else if (!quiet && hushed) {
    video.muted = false;
  }
}

async function play() {
  try {
    await video.play();
  } catch (error) {
    // Browsers let a page start with sound only after a press of a key or button. Errors of the media come as events.
    if (error.name !== "NotAllowedError" || video.muted) return;
    hush(true);
    await video.play().catch(() => {});
  }
}

/** Moves the viewer from what fails to something else, at the same place in the title. */
function moveOn(from, reason) {
  known.failed.add(from);
  const next = preferred(from);
  if (next === null) {
    const title = titlePlaying();
    const why = title && margin(title) < 0
      ? "too few of its columns can be reached"
      : "no node delivers it";
    notice("player", `${known.playing} cannot be played now: ${why}.`);
    return;
  }
  moveTo(next, from, reason);
}

function moveTo(next, from, reason) {
  const seconds = video.currentTime;
  const paused = video.paused && seconds > 0;
  const place = from === ANY ? (isSupervisor() ? "the supervisor" : "the worker") : `node ${from}`;
  attach(next, `Moved from ${place}, which ${reason}, to ${placeText(next)} at ${clockText(seconds)}`);
  load(seconds);
  if (paused) video.pause();
  drawPlayer();
}

/** Attaches the viewer to a node, or to ANY, by their wish. */
export function watchThrough(name) {
  const [seconds, paused] = [video.currentTime, video.paused && video.currentTime > 0];
  known.failed.clear();
  known.unplayable = null;
  withdraw("player");
  attach(name);
  load(seconds);
  if (paused) video.pause();
  drawPlayer();
}

/** Why the viewer must leave the attached node, or null. A node that serves this page may just be slow to answer. */
function reasonToLeave() {
  if (known.attached === ANY) return null;
  const node = nodeNamed(known.attached);
  if (!node) return "is gone";
  if (["down", "hung"].includes(node.state)) return node.state === "hung" ? "hangs" : "is down";
  if (node.name !== known.cluster.observer || known.silentSince === null) return null;
  if (known.refused) return "is down";
  return Date.now() - known.silentSince >= SILENT_MS ? "is silent" : null;
}

/** A worker answers for the page now: the viewer is attached to it, unless to another node than the page's own. */
export function noteWorker() {
  known.worker = true;
  if (known.attached !== known.cluster?.observer || known.attached === null) return;
  attach(ANY);
  if (known.playing !== null && !video.ended) load(video.currentTime);
  drawPlayer();
}

/** Follows the cluster: leaves a node that is gone, and tries again when one has come back. */
export function followCluster(before) {
  const came = nodes().filter((node) => node.state === "up" && before.get(node.name) !== "up");
  for (const node of came) known.failed.delete(node.name);
  if (came.length > 0) known.failed.delete(ANY);
  const other = preferred();
  if (other === null) return;
  if (known.attached === null) {
    attach(other);
  } else if (known.unplayable === null && noticeAbout("player") && came.length > 0) {
    withdraw("player");
    attach(other);
    load(video.currentTime);
  } else {
    const reason = reasonToLeave();
    if (reason === null || other === known.attached) return;
    if (known.playing === null || known.unplayable !== null || video.ended) attach(other);
    else moveOn(known.attached, reason);
  }
}

/** The player gave up: because of the node, which is left then, or of what is stored, which no other node has better. */
async function noteError() {
  const [title, from, source] = [known.playing, known.attached, video.src];
  const ofContent = [MediaError.MEDIA_ERR_DECODE, MediaError.MEDIA_ERR_SRC_NOT_SUPPORTED].includes(video.error?.code);
  const delivered = ofContent && await isDelivered(source, title);
  if (known.playing !== title || video.src !== source || video.error === null) return;
  if (!delivered) {
    moveOn(from, "did not deliver it");
    return;
  }
  known.unplayable = title;
  still.hidden = true;
  notice("player", `${title} is delivered as it is stored, and is nothing that this browser can play.`);
}

/** Whether a title comes when it is asked for. Of another origin's answer a page learns only that there is one. */
async function isDelivered(source, title) {
  const ask = async (url, mode) => {
    const request = { method: "HEAD", mode, cache: "no-store", signal: AbortSignal.timeout(DELIVERED_MS) };
    const { ok, type } = await fetch(url, request);
    return ok || type === "opaque";
  };
  const own = titleUrl(location.origin, title);
  try {
    const answers = [ask(own, "same-origin")];
    if (source !== own) answers.push(ask(source, "no-cors"));
    return (await Promise.all(answers)).every(Boolean);
  } catch {
    return false;
  }
}

/** The picture waits: unless it goes on at once, another node is tried. */
function noteWaiting() {
  if (stallTimer !== null || video.seeking || video.paused || video.error !== null) return;
  const patience = known.attached === ANY ? STALL_ANY_MS : STALL_MS;
  const chance = movedAt + CHANCE_MS - performance.now();
  stallTimer = setTimeout(() => {
    stallTimer = null;
    if (video.readyState >= HTMLMediaElement.HAVE_FUTURE_DATA || video.paused || video.error !== null) return;
    if (known.playing === null) return;
    const from = known.attached;
    const next = from === ANY ? ANY : preferred(from);
    if (next !== null) moveTo(next, from, "stalled");
  }, Math.max(patience, chance));
}

function noteGoing() {
  clearTimeout(stallTimer);
  stallTimer = null;
}

/** How many seconds can be played without another byte. */
function secondsAhead() {
  const { buffered, currentTime } = video;
  for (let range = 0; range < buffered.length; range += 1) {
    // A picture may begin a moment after the time that was asked for.
    if (buffered.start(range) <= currentTime + 0.1 && currentTime <= buffered.end(range)) {
      return buffered.end(range) - currentTime;
    }
  }
  return 0;
}

function drawBuffer() {
  const ahead = known.playing === null ? 0 : secondsAhead();
  const left = Number.isFinite(video.duration) ? video.duration - video.currentTime : Infinity;
  const meter = at("buffer");
  meter.value = Math.min(ahead, BUFFER_SECONDS);
  // At its end there is nothing to be short of, and at its start nothing can be there yet.
  const begins = performance.now() - movedAt < CHANCE_MS;
  mark(meter, "data-level", begins || ahead >= Math.min(left - 0.3, 2) ? "good" : "low");
  write(at("buffer-text"), known.playing === null ? "" : `${ahead.toFixed(1)} s ahead`);
}

export function watchPlayer() {
  at("buffer").max = BUFFER_SECONDS;
  video.addEventListener("error", () => {
    if (known.playing !== null && video.getAttribute("src")) noteError();
  });
  // A viewer who asks for sound keeps it, and who then wants none has none.
  video.addEventListener("volumechange", () => { hushed &&= video.muted; });
  video.addEventListener("timeupdate", () => {
    if (video.currentTime > 0 && !video.error && !video.paused) {
      known.failed.clear();
      withdraw("player");
    }
  });
  video.addEventListener("waiting", noteWaiting);
  for (const name of ["playing", "pause", "seeked", "ended"]) video.addEventListener(name, noteGoing);
  for (const name of ["playing", "seeked"]) video.addEventListener(name, () => { still.hidden = true; });
  at("through").addEventListener("change", (event) => watchThrough(event.target.value));
  setInterval(drawBuffer, BUFFER_EVERY_MS);
}

export function drawCell(cell, column) {
  const state = columnState(column);
  const words = `Column ${column.index} on node ${column.node}: ${STATE_WORDS[state] ?? state}`;
  mark(cell, "data-state", state);
  mark(cell, "title", column.reason ? `${words} (${column.reason})` : words);
  mark(cell, "role", "img");
  mark(cell, "aria-label", words);
  write(cell, state === "damaged" ? "!" : column.node.slice(0, 2));
}

function drawThrough() {
  const through = at("through");
  const places = nodes().map((node) => ({
    name: node.name, text: node.state === "up" ? `node ${node.name}` : `node ${node.name} (${node.state})`,
  }));
  if (hasAny()) places.unshift({ name: ANY, text: "any node" });
  const create = (place) => new Option("", place.name);
  list(through, places, (place) => `at ${place.name}`, create, (option, place) => write(option, place.text));
  through.disabled = known.cluster === null;
  if (known.attached !== null && through.value !== known.attached) through.value = known.attached;
}

function drawStripe() {
  const title = titlePlaying();
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
    text = `${count(columns.length, "column")}, one to a node`;
    text += needed === null ? "." : `; any ${needed} give it back.`;
  }
  write(at("stripe-text"), text);
}

/** What the line below the title says of where the picture comes from. */
function attachmentText() {
  if (known.playing === null || known.attached === null) return "";
  const why = at("attachment").dataset.why;
  if (why && performance.now() - movedAt < TOLD_MS) return why;
  if (known.attached !== ANY) return `Attached to node ${known.attached}`;
  const reading = anyNode();
  return reading === null ? "Through any node that is up" : `Through any node, now ${reading}`;
}

export function drawPlayer() {
  at("nothing").hidden = known.playing !== null;
  at("in-players").hidden = known.playing === null;
  for (const link of at("in-players").children) link.search = `?${new URLSearchParams({ title: known.playing ?? "" })}`;
  write(at("playing"), known.playing ?? "No title chosen");
  write(at("attachment"), attachmentText());
  drawThrough();
  drawStripe();
}

/** The node from which supervisor or worker read now; null where it is not known. */
function anyNode() {
  if (isSupervisor()) return readingNode();
  return nodes().find((node) => new URL(node.http).origin === known.workerOrigin)?.name ?? null;
}

/** The node that the viewer watches through, as far as is known; null for none. */
export function watchedNode() {
  if (known.playing === null) return null;
  return known.attached === ANY ? anyNode() : known.attached;
}
