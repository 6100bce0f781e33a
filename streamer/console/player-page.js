// A page on which a person plays a title in a player that is not ours, kills nodes, and watches whether the picture freezes.
//
// The library is none of ours: the page runs a file that the person chooses, or one that is fetched from where they say.

import { at, list, make, mark, notice, withdraw, write } from "./dom.js";
import { errorText } from "./format.js";
import { connect, dash, followNode, hls, shaka as shakaSettings } from "/rain-players.js";

/** Of each player: its name, its file in its npm package, the name that it takes in a page, and how it plays. */
const PLAYERS = {
  hls: { name: "hls.js", file: "hls.js/dist/hls.min.js", global: "Hls", play: playHls },
  dash: { name: "dash.js", file: "dashjs/dist/modern/umd/dash.all.min.js", global: "dashjs", play: playDash },
  shaka: { name: "Shaka Player", file: "shaka-player/dist/shaka-player.compiled.js", global: "shaka", play: playShaka },
  videojs: { name: "video.js", file: "video.js/dist/video.min.js", global: "videojs", play: playVideojs },
};
const player = PLAYERS[/(\w+)\.html$/.exec(location.pathname)[1]];

const TITLES_MAX = 500;
const LOOK_EVERY_MS = 20;
const DRAW_EVERY_MS = 200;
const CLUSTER_EVERY_MS = 1000;
/** A picture that stands with more in the buffer waits for the processor, not for bytes. */
const EMPTY_SECONDS = 0.25;

let cluster = null;
/** What ends the player that plays now. */
let stop = null;
let seen = null;
let follows = false;

// --- The library

function say(text) {
  const words = `${player.name} is no part of RAIN. Choose its file (${player.file} of its npm package), or say where it is. `
    + "It runs in this page, and may do what you may.";
  write(at("library-text"), text ?? words);
}

async function runLibrary(source) {
  const script = make("script");
  const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  const run = new Promise((done) => { script.onload = done; script.onerror = done; });
  script.src = url;
  document.head.append(script);
  await run;
  URL.revokeObjectURL(url);
  const library = window[player.global];
  if (library === undefined) {
    notice("library", `That is not ${player.name}: it makes no \u201c${player.global}\u201d.`);
    return;
  }
  withdraw("library");
  const version = library.version ?? library.Version ?? library.VERSION ?? library.Player?.version ?? "";
  say(`${player.name} ${version} is loaded.`);
  at("library").hidden = true;
  at("play").disabled = at("title").options.length === 0;
}

async function loadLibrary() {
  const [file] = at("library-file").files;
  try {
    if (file) {
      await runLibrary(await file.text());
      return;
    }
    const response = await fetch(at("library-url").value);
    if (!response.ok) throw new Error(`it answers ${response.status}`);
    // Titles are anybody's who may store one, and run nowhere.
    if (/\bsandbox\b/.test(response.headers.get("content-security-policy") ?? "")) throw new Error("it is a title");
    await runLibrary(await response.text());
  } catch (error) {
    notice("library", `${player.name} was not loaded: ${error.message}`);
  }
}

// --- Playing

/** The URL of a title below `/p/`, at a node that is up: this page's own, where it is a node. */
function packaged(title) {
  const nodes = cluster?.nodes ?? [];
  const node = nodes.find(({ name }) => name === cluster.observer) ?? nodes.find(({ state }) => state === "up");
  return `${node ? new URL(node.http).origin : location.origin}/p/${encodeURIComponent(title)}`;
}

function playHls(video, path, goal, isTuned) {
  const made = new Hls({ ...(isTuned ? hls : {}), maxBufferLength: goal, maxMaxBufferLength: goal });
  made.on(Hls.Events.ERROR, (_, error) => { if (error.fatal) failed(`${error.type}, ${error.details}`); });
  made.loadSource(`${path}/master.m3u8`);
  made.attachMedia(video);
  return () => made.destroy();
}

function playDash(video, path, goal, isTuned) {
  const made = dashjs.MediaPlayer().create();
  made.initialize();
  if (isTuned) made.updateSettings(dash);
  const buffer = { bufferTimeDefault: goal, bufferTimeAtTopQuality: goal, bufferTimeAtTopQualityLongForm: goal };
  made.updateSettings({ streaming: { buffer } });
  made.on(dashjs.MediaPlayer.events.ERROR, ({ error }) => failed(error?.message ?? "an error"));
  made.attachView(video);
  made.attachSource(`${path}/manifest.mpd`);
  return () => made.destroy();
}

async function playShaka(video, path, goal, isTuned) {
  shaka.polyfill.installAll();
  const made = new shaka.Player();
  await made.attach(video);
  if (isTuned) made.configure(shakaSettings);
  made.configure({ streaming: { bufferingGoal: goal } });
  made.addEventListener("error", ({ detail }) => failed(`error ${detail.code}`));
  await made.load(`${path}/manifest.mpd`);
  return () => made.destroy();
}

function playVideojs(video, path, goal) {
  videojs.Vhs.GOAL_BUFFER_LENGTH = goal;
  videojs.Vhs.MAX_GOAL_BUFFER_LENGTH = goal;
  // The browser's controls: its own need a style sheet.
  const made = videojs(video, { children: ["mediaLoader"], html5: { vhs: { overrideNative: true } } });
  made.on("error", () => failed(made.error()?.message));
  made.src({ src: `${path}/master.m3u8?form=redundant`, type: "application/vnd.apple.mpegurl" });
  made.ready(() => { videoNow().controls = true; });
  return () => made.dispose();
}

const videoNow = () => at("screen").querySelector("video");

function failed(what) {
  log(`${player.name}: ${what}`);
  notice("player", `${player.name}: ${what}`);
}

async function play() {
  withdraw("player");
  at("play").disabled = true;
  try {
    await stop?.();
    stop = null;
    const mode = at("mode").value;
    if (mode === "worker") await useWorker();
    const video = make("video");
    video.controls = true;
    video.playsInline = true;
    at("screen").replaceChildren(video);
    const title = at("title").value;
    begin(mode);
    log(`${title}, ${at("mode").selectedOptions[0].text}, ${at("goal").value} s`);
    stop = await player.play(video, packaged(title), Number(at("goal").value), mode === "tuned");
    await videoNow().play().catch(() => {
      videoNow().muted = true;
      return videoNow().play();
    });
  } catch (error) {
    failed(error.message ?? error.code);
  }
  at("play").disabled = false;
}

async function useWorker() {
  if (!(await connect())) throw new Error("this page has no worker: it needs https or localhost");
  if (follows) return;
  follows = true;
  followNode((origin) => { if (seen?.mode === "worker") playsFrom(origin); });
}

// --- What is seen

function begin(mode) {
  seen = { mode, began: performance.now(), started: false, frozen: 0, longest: 0, least: Infinity, since: null, last: null, from: null };
}

function secondsAhead(video) {
  for (let range = 0; range < video.buffered.length; range += 1) {
    if (video.buffered.start(range) <= video.currentTime + 0.1 && video.currentTime <= video.buffered.end(range)) {
      return video.buffered.end(range) - video.currentTime;
    }
  }
  return 0;
}

function look() {
  const video = videoNow();
  if (seen === null || video === null) return;
  const now = { clock: performance.now(), time: video.currentTime, ahead: secondsAhead(video) };
  const { last } = seen;
  seen.last = now;
  seen.started ||= now.time > 0;
  if (!seen.started || last === null || video.ended || video.paused || video.seeking) {
    seen.since = null;
    return;
  }
  // At its end there is nothing to be short of.
  if (!(video.duration - now.time < 1)) seen.least = Math.min(seen.least, now.ahead);
  if (now.time !== last.time || now.ahead >= EMPTY_SECONDS) {
    if (seen.since !== null) log(`frozen for ${((now.clock - seen.since) / 1000).toFixed(1)} s`);
    seen.since = null;
    return;
  }
  seen.since ??= last.clock;
  seen.frozen += now.clock - last.clock;
  seen.longest = Math.max(seen.longest, now.clock - seen.since);
}

function draw() {
  if (seen?.last == null) return;
  const seconds = (ms) => `${(ms / 1000).toFixed(1)} s`;
  write(at("frozen"), seconds(seen.frozen));
  mark(at("frozen"), "data-level", seen.frozen > 0 ? "bad" : null);
  write(at("longest"), seconds(seen.longest));
  write(at("ahead"), `${seen.last.ahead.toFixed(1)} s`);
  write(at("least"), Number.isFinite(seen.least) ? `${seen.least.toFixed(1)} s` : "-");
}

function playsFrom(origin) {
  if (seen === null || seen.from === origin) return;
  seen.from = origin;
  const node = cluster?.nodes.find(({ http }) => new URL(http).origin === origin);
  const name = node ? `node ${node.name}` : new URL(origin).host;
  write(at("from"), name);
  log(`from ${name}`);
}

/** Without the worker, the URLs of segments say where they come from. */
function watchRequests() {
  new PerformanceObserver((found) => {
    for (const { name, responseStatus } of found.getEntries()) {
      if (seen === null || seen.mode === "worker" || responseStatus === 0 || !name.endsWith(".m4s")) continue;
      playsFrom(new URL(name).origin);
    }
  }).observe({ type: "resource" });
}

function log(text) {
  const at_s = seen === null ? "" : `${((performance.now() - seen.began) / 1000).toFixed(1)} s  `;
  at("log").prepend(make("li", "", `${at_s}${text}`));
}

// --- The cluster

async function askCluster() {
  try {
    const response = await fetch("/api/v1/cluster", { signal: AbortSignal.timeout(CLUSTER_EVERY_MS) });
    cluster = await response.json();
  } catch {
    cluster = cluster === null ? null : { ...cluster, faults: false };
  }
  drawParts();
}

function drawParts() {
  const hasFaults = cluster?.faults === true;
  write(at("faults-text"), cluster === null ? "The state of the cluster is unknown."
    : hasFaults ? "Kill or hang the node that it plays from." : "Parts can be made to fail in a demo only.");
  const kinds = [["node", cluster?.nodes ?? []], ["switch", cluster?.switches ?? []]];
  const parts = kinds.flatMap(([kind, of]) => of.map((part) => ({ kind, ...part })));
  list(at("parts"), parts, (part) => `${part.kind} ${part.name}`, createPart, (row, part) => {
    const [name, ...buttons] = row.children;
    write(name, `${part.kind} ${part.name}: ${part.state}`);
    for (const button of buttons) {
      button.hidden = !hasFaults;
      button.disabled = (button.dataset.action === "heal") === (part.state === "up");
    }
  });
}

function createPart(part) {
  const row = make("li");
  row.append(make("span", "what"));
  const actions = part.kind === "node" ? { cut: "Kill", hang: "Hang", heal: "Heal" } : { cut: "Cut", heal: "Heal" };
  for (const [action, text] of Object.entries(actions)) {
    const button = make("button", "quiet", text);
    button.type = "button";
    button.dataset.action = action;
    button.setAttribute("aria-label", `${text} ${part.kind} ${part.name}`);
    button.addEventListener("click", () => change(part, action, text));
    row.append(button);
  }
  return row;
}

async function change({ kind, name }, action, text) {
  log(`${text.toLowerCase()} ${kind} ${name}`);
  const headers = { "content-type": "application/json" };
  const body = JSON.stringify({ kind, name, action });
  try {
    const response = await fetch("/api/v1/faults", { method: "POST", headers, body });
    if (response.ok) withdraw("fault");
    else notice("fault", errorText(response.status, await response.text()));
  } catch {
    notice("fault", `${location.host} does not answer`);
  }
  await askCluster();
}

async function askTitles() {
  const response = await fetch(`/api/v1/titles?limit=${TITLES_MAX}`);
  if (!response.ok) throw new Error(errorText(response.status, await response.text()));
  const titles = await response.json();
  at("title").replaceChildren(...titles.map(({ title }) => new Option(title, title)));
  const asked = new URLSearchParams(location.search).get("title");
  if (titles.some(({ title }) => title === asked)) at("title").value = asked;
}

write(at("heading"), player.name);
document.title = `${player.name} - RAIN`;
for (const link of document.querySelectorAll("nav a")) {
  mark(link, "aria-current", link.pathname === location.pathname ? "page" : null);
}
// video.js puts no styles into the page, which its policy forbids.
window.VIDEOJS_NO_DYNAMIC_STYLE = true;
say();
at("library-load").addEventListener("click", loadLibrary);
at("play").addEventListener("click", play);
watchRequests();
setInterval(look, LOOK_EVERY_MS);
setInterval(draw, DRAW_EVERY_MS);
setInterval(askCluster, CLUSTER_EVERY_MS);
askCluster();
askTitles().catch((error) => notice("titles", `The titles are unknown: ${error.message}`));
