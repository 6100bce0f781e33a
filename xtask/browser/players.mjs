// Plays a title of a demo cluster in the players that people use, while its parts fail, in a real browser.
//
//     node players.mjs PLAN
//
// PLAN is a JSON object: `url` of the demo, `title`, `players`, `mode` ("worker": as players come, with the service worker
// before them; "tuned": without it, with the settings of /rain-players.js; "plain": with neither), `buffer` (seconds that
// players are told to keep), `faults` one after the other, `seed`, `first` (seconds from when all play to the first fault;
// up to half of it more), `every` (from one fault to the next) and `hold` (for which one lasts). Each player has a browser
// context of its own, and so a worker of its own; all play at once.
//
// Prints a JSON line for each fault and player (../../docs/playback.md says what is in it); exits 1 if it could not be seen.

import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { chromium } from "playwright-core";
import { FLAGS, randomOf } from "./playing.mjs";

const START_MS = 30_000;
/** All parts are up so soon after the last was healed. */
const HEALED_MS = 30_000;
/** Of a title that is written while a node is away, which that node must then be given. */
const WRITTEN_BYTES = 128 << 20;

const LIBRARIES = {
  hls: "hls.js/dist/hls.min.js",
  dash: "dashjs/dist/modern/umd/dash.all.min.js",
  shaka: "shaka-player/dist/shaka-player.compiled.js",
  videojs: "video.js/dist/video.min.js",
  native: null,
};

/** Runs in the page: lets a player play, and notes in `window.seen` what becomes of the picture. */
async function play({ player, path, mode, buffer }) {
  const rain = await import("/rain-players.js");
  const seen = { errors: [], node: null, started: false };
  window.seen = seen;
  if (mode === "worker") {
    if (!(await rain.connect())) throw new Error("the worker does not answer for the page");
    rain.followNode((node) => { seen.node = node; });
  } else {
    new PerformanceObserver((list) => {
      for (const { name, responseStatus, initiatorType } of list.getEntries()) {
        // Of what an element loads a page learns no status.
        const has = responseStatus > 0 || initiatorType === "video";
        if (has && /\.m4s$/.test(name)) seen.node = new URL(name).origin;
      }
    }).observe({ type: "resource", buffered: true });
  }
  const settings = mode === "tuned" ? rain : { hls: {}, dash: {}, shaka: {} };
  const video = document.querySelector("video");
  const failed = (what) => seen.errors.push(String(what));
  const hls = `${path}/master.m3u8`;
  const players = {
    async hls() {
      const goal = { maxBufferLength: buffer, maxMaxBufferLength: buffer, backBufferLength: 10 };
      const made = new Hls({ ...settings.hls, ...goal });
      made.on(Hls.Events.ERROR, (_, error) => { if (error.fatal) failed(`${error.type} ${error.details}`); });
      made.loadSource(hls);
      made.attachMedia(video);
    },
    async dash() {
      const made = dashjs.MediaPlayer().create();
      const goal = { bufferTimeDefault: buffer, bufferTimeAtTopQuality: buffer, bufferTimeAtTopQualityLongForm: buffer };
      made.initialize();
      made.updateSettings(settings.dash);
      made.updateSettings({ streaming: { buffer: goal } });
      made.on(dashjs.MediaPlayer.events.PLAYBACK_ERROR, (error) => failed(error.error?.message ?? "playback"));
      made.attachView(video);
      made.attachSource(`${path}/manifest.mpd`);
    },
    async shaka() {
      shaka.polyfill.installAll();
      const made = new shaka.Player();
      await made.attach(video);
      made.configure(settings.shaka);
      made.configure({ streaming: { bufferingGoal: buffer, bufferBehind: 10 } });
      made.addEventListener("error", ({ detail }) => {
        if (detail.severity === 2) failed(`${detail.code} ${detail.data}`);
      });
      await made.load(`${path}/manifest.mpd`);
    },
    async videojs() {
      videojs.Vhs.GOAL_BUFFER_LENGTH = buffer;
      videojs.Vhs.MAX_GOAL_BUFFER_LENGTH = buffer;
      const made = videojs(video, { html5: { vhs: { overrideNative: true } } });
      made.on("error", () => failed(made.error()?.message));
      made.src({ src: `${hls}?form=redundant`, type: "application/vnd.apple.mpegurl" });
    },
    async native() {
      video.src = `${hls}?form=redundant`;
      video.addEventListener("error", () => failed(video.error?.message));
    },
  };
  await players[player]();
  const element = () => document.querySelector("video");
  const keepPlaying = () => { if (!seen.started) element().play().catch(() => {}); };
  keepPlaying();
  const starting = setInterval(keepPlaying, 200);

  const ahead = () => {
    const { buffered, currentTime } = element();
    for (let range = 0; range < buffered.length; range += 1) {
      if (buffered.start(range) <= currentTime + 0.1 && currentTime <= buffered.end(range)) return buffered.end(range) - currentTime;
    }
    return 0;
  };
  const fresh = () => ({ frozen: 0, frozenLongest: 0, stood: 0, skipped: 0, lowest: Infinity });
  let now = fresh();
  let last = null;
  let frozenSince = null;
  // A picture that stands with something in the buffer waits for the processor; one that stands without waits for bytes.
  setInterval(() => {
    const at = { clock: performance.now(), time: element().currentTime, ahead: ahead() };
    if (!seen.started) {
      seen.started = at.time > 1;
      if (seen.started) clearInterval(starting);
    } else if (last !== null && !element().ended) {
      const passed = at.clock - last.clock;
      const stands = at.time === last.time;
      now.lowest = Math.min(now.lowest, at.ahead);
      if (stands) now.stood += passed;
      if (stands && at.ahead < 0.25) {
        now.frozen += passed;
        frozenSince ??= last.clock;
        now.frozenLongest = Math.max(now.frozenLongest, at.clock - frozenSince);
      } else {
        frozenSince = null;
      }
      const leapt = (at.time - last.time) * 1000 - passed;
      if (leapt > 300) now.skipped += leapt;
    }
    last = at;
  }, 20);
  /** What was seen since it was asked for last. */
  seen.take = () => {
    const taken = { ...now, ahead: ahead(), node: seen.node, time: element().currentTime, errors: seen.errors.splice(0) };
    now = fresh();
    return taken;
  };
}

/** A page of a context of its own, in which a player has begun. */
async function open(browser, plan, player, home) {
  const context = await browser.newContext({ viewport: { width: 480, height: 270 } });
  const page = await context.newPage();
  // Any document of the node's own origin will do; one that the test gives in its place keeps browsers from playing HLS.
  await page.goto(new URL("/rain-players.js", home).href);
  await page.evaluate(() => { document.body.innerHTML = '<video muted width="320" height="180"></video>'; });
  if (LIBRARIES[player] !== null) await page.addScriptTag({ path: join("node_modules", LIBRARIES[player]) });
  const path = `/p/${encodeURIComponent(plan.title)}`;
  await page.evaluate(play, { player, path, mode: plan.mode, buffer: plan.buffer });
  await page.waitForFunction(() => window.seen.started, null, { timeout: START_MS, polling: 50 }).catch(async (error) => {
    throw new Error(`${player} does not start: ${await page.evaluate(() => window.seen.errors.join("; "))} ${error.message}`);
  });
  return { player, page };
}

/** The parts of a demo: what they are, and what fails. */
class Cluster {
  constructor(url) {
    this.url = url;
  }

  async parts() {
    return (await fetch(new URL("/api/v1/cluster", this.url))).json();
  }

  async change(kind, name, action) {
    const headers = { "content-type": "application/json" };
    const body = JSON.stringify({ kind, name, action });
    const answer = await fetch(new URL("/api/v1/faults", this.url), { method: "POST", headers, body });
    if (!answer.ok) throw new Error(`${action} ${kind} ${name}: ${answer.status} ${await answer.text()}`);
  }

  async untilWhole() {
    const began = performance.now();
    for (;;) {
      const { nodes, switches, links } = await this.parts();
      if ([nodes, switches, links].every((parts) => parts.every((part) => part.state === "up"))) return;
      if (performance.now() - began > HEALED_MS) throw new Error(`not everything is up ${HEALED_MS} ms after healing`);
      await sleep(50);
    }
  }

  /** The name of the node at an origin. */
  async named(origin) {
    const { nodes } = await this.parts();
    const node = nodes.find(({ http }) => new URL(http).origin === origin);
    if (!node) throw new Error(`no node is at ${origin}`);
    return node.name;
  }
}

/** What strikes, given the node that is played from; each gives what ends it. */
const FAULTS = {
  "node-killed": async (cluster, node) => {
    await cluster.change("node", node, "cut");
    return () => cluster.change("node", node, "heal");
  },
  "node-hung": async (cluster, node) => {
    await cluster.change("node", node, "hang");
    return () => cluster.change("node", node, "heal");
  },
  "switch-silent": async (cluster, _, random) => {
    const { switches } = await cluster.parts();
    const { name } = switches[Math.floor(random() * switches.length)];
    await cluster.change("switch", name, "cut");
    return () => cluster.change("switch", name, "heal");
  },
  // The node comes back while another must give it what it has missed, and is killed.
  "killed-in-rebuild": async (cluster, node) => {
    const { nodes } = await cluster.parts();
    const away = nodes.find(({ name }) => name !== node).name;
    await cluster.change("node", away, "cut");
    const body = new Uint8Array(WRITTEN_BYTES).map((_, at) => (at * 7) >> 3);
    const written = await fetch(new URL("/v/written.bin", cluster.url), { method: "PUT", body });
    if (!written.ok) throw new Error(`writing while ${away} is away: ${written.status}`);
    await cluster.change("node", away, "heal");
    await cluster.change("node", node, "cut");
    return () => cluster.change("node", node, "heal");
  },
};

const round = (number, digits = 0) => Number(number.toFixed(digits));

/** What became of a player through a fault. */
function line({ mode, buffer, seed }, player, fault, before, after) {
  return JSON.stringify({
    kind: `${mode}-${player}`, mode, player, buffer, seed, ...fault, from: before.node, to: after.node,
    buffered_s: round(before.ahead, 2), buffered_s_min: Number.isFinite(after.lowest) ? round(after.lowest, 2) : null,
    frozen_ms: round(after.frozen), frozen_ms_max: round(after.frozenLongest), stood_ms: round(after.stood),
    skipped_ms: round(after.skipped), played_s: round(after.time, 1), errors: [...before.errors, ...after.errors],
  });
}

async function run(plan) {
  const cluster = new Cluster(plan.url);
  const random = randomOf(plan.seed);
  const executablePath = process.env.CHROMIUM || "/usr/bin/chromium";
  const browser = await chromium.launch({ executablePath, args: FLAGS });
  try {
    await cluster.untilWhole();
    const home = (await cluster.parts()).nodes[0].http;
    const pages = [];
    for (const player of plan.players) pages.push(await open(browser, plan, player, home));
    await sleep(plan.first * (1 + random() / 2) * 1000);
    const take = () => Promise.all(pages.map(({ page }) => page.evaluate(() => window.seen.take())));
    const playedFrom = (place) => pages[place].page.evaluate(() => window.seen.node);
    const strike = async (fault, origin) => {
      const heal = await FAULTS[fault](cluster, await cluster.named(origin), random);
      try {
        await sleep(plan.hold * 1000);
      } finally {
        await heal();
      }
    };
    for (const fault of plan.faults) {
      await cluster.untilWhole();
      const ends = performance.now() + plan.every * 1000;
      const befores = await take();
      // Of any player: they may have gone to different nodes.
      const struck = [await playedFrom(Math.floor(random() * pages.length))];
      await strike(fault === "swap" ? "node-killed" : fault, struck[0]);
      if (fault === "swap") {
        // It is back; now the one dies to which a player went.
        await cluster.untilWhole();
        struck.push(await playedFrom(0));
        await strike("node-killed", struck[1]);
      }
      await sleep(Math.max(0, ends - performance.now()));
      const afters = await take();
      pages.forEach(({ player }, place) => console.log(line(plan, player, { fault, struck }, befores[place], afters[place])));
    }
  } finally {
    await browser.close();
  }
}

try {
  await run(JSON.parse(process.argv[2]));
} catch (error) {
  console.error(error);
  process.exit(1);
}
