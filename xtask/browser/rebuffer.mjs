// Plays a title in a real browser with a small buffer while parts of a demo die, hang and return.
//
//     node rebuffer.mjs URL TITLE SEED SECONDS
//
// URL is the supervisor's. The title is a fragmented MP4 (H.264, AAC); a blank page of the same origin plays it by Media
// Source, read as one stream and kept at most 2 s ahead. Every 5 s a random part fails, chosen by SEED, and is healed
// before the next one does. Prints a line of JSON at the end, and exits 0 whatever was seen; 1 when it could not be
// seen. The browser is Chromium at $CHROMIUM, or /usr/bin/chromium.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { chromium } from "playwright-core";
import { FLAGS, randomOf } from "./playing.mjs";

const CODECS = 'video/mp4; codecs="avc1.42C01F, mp4a.40.2"';
const AHEAD_SECONDS = 2;
const FAULT_EVERY_MS = 5000;
/** A fault holds for so long, and something up to this much longer. */
const HOLD_MS = 1000;
const HOLD_MORE_MS = 2000;
const START_MS = 20_000;

/** Runs in the page: plays the title, and notes in `window.seen` what happens to it. */
async function play({ path, codecs, aheadSeconds }) {
  const seen = {
    playingSince: null, waits: [], waitingSince: null, stoodMax: 0, breaks: [], bytes: 0, total: null, errors: [],
    currentTime: 0, bufferedMin: null,
  };
  window.seen = seen;
  const video = document.querySelector("video");
  const source = new MediaSource();
  video.src = URL.createObjectURL(source);
  await new Promise((resolve) => source.addEventListener("sourceopen", resolve, { once: true }));
  const buffer = source.addSourceBuffer(codecs);

  video.addEventListener("error", () => seen.errors.push(`${video.error?.code}: ${video.error?.message}`));
  video.addEventListener("waiting", () => {
    if (seen.playingSince !== null) seen.waitingSince ??= performance.now();
  });
  video.addEventListener("playing", () => {
    seen.playingSince ??= performance.now();
    if (seen.waitingSince !== null) seen.waits.push(performance.now() - seen.waitingSince);
    seen.waitingSince = null;
  });
  const ahead = () => (video.buffered.length > 0 ? video.buffered.end(video.buffered.length - 1) - video.currentTime : 0);
  // Not every stall is announced: the time must also move.
  let last = { time: -1, at: 0 };
  setInterval(() => {
    const now = performance.now();
    seen.currentTime = video.currentTime;
    if (seen.playingSince === null || video.currentTime !== last.time) last = { time: video.currentTime, at: now };
    else seen.stoodMax = Math.max(seen.stoodMax, now - last.at);
    if (seen.playingSince !== null) seen.bufferedMin = Math.min(seen.bufferedMin ?? Infinity, ahead());
  }, 20);

  const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  const done = () => new Promise((resolve, reject) => {
    buffer.addEventListener("updateend", resolve, { once: true });
    buffer.addEventListener("error", () => reject(new Error("the buffer refuses the bytes")), { once: true });
  });
  const SLICE_BYTES = 16 * 1024;
  const append = async (bytes) => {
    for (let at = 0; at < bytes.length; at += SLICE_BYTES) {
      while (ahead() >= aheadSeconds) {
        if (video.paused) video.play().catch((error) => seen.errors.push(String(error)));
        await pause(10);
      }
      const slice = bytes.subarray(at, at + SLICE_BYTES);
      const appended = done();
      buffer.appendBuffer(slice);
      await appended;
      seen.bytes += slice.length;
    }
    const played = video.currentTime - 10;
    if (played > 0 && buffer.buffered.length > 0 && buffer.buffered.start(0) < played - 10) {
      const removed = done();
      buffer.remove(0, played);
      await removed;
    }
  };
  let etag = null;
  while (seen.total === null || seen.bytes < seen.total) {
    try {
      const headers = seen.bytes > 0 ? { range: `bytes=${seen.bytes}-`, "if-range": etag } : {};
      const response = await fetch(path, { headers, cache: "no-store" });
      if (response.status !== (seen.bytes > 0 ? 206 : 200)) {
        throw new Error(`status ${response.status}: ${(await response.text()).slice(0, 200)}`);
      }
      etag = response.headers.get("etag");
      seen.total ??= Number(response.headers.get("content-length"));
      const reader = response.body.getReader();
      for (;;) {
        const { done: ended, value } = await reader.read();
        if (ended) break;
        await append(value);
      }
      if (seen.bytes < seen.total) throw new Error("a short stream");
    } catch (error) {
      seen.breaks.push({ atMs: Math.round(performance.now() - (seen.playingSince ?? 0)), bytes: seen.bytes, error: String(error) });
      if (seen.breaks.length > 200) return;
      await pause(50);
    }
  }
  source.endOfStream();
}

/** Whether all parts are up. */
async function isWhole(url) {
  const cluster = await (await fetch(new URL("/api/v1/cluster", url))).json();
  return [cluster.nodes, cluster.switches, cluster.links].every((parts) => parts.every((part) => part.state === "up"));
}

async function change(url, { kind, name }, action) {
  const body = JSON.stringify({ kind, name, action });
  const headers = { "content-type": "application/json" };
  const answer = await fetch(new URL("/api/v1/faults", url), { method: "POST", headers, body });
  if (!answer.ok) throw new Error(`${action} ${kind} ${name}: ${answer.status} ${await answer.text()}`);
}

/** Fails a random part every 5 s until `isOver`; what was done. */
async function trouble(url, random, began, isOver) {
  const cluster = await (await fetch(new URL("/api/v1/cluster", url))).json();
  const pick = (parts) => parts[Math.floor(random() * parts.length)].name;
  const choices = [
    () => [{ kind: "node", name: pick(cluster.nodes) }, "cut"],
    () => [{ kind: "node", name: pick(cluster.nodes) }, "hang"],
    () => [{ kind: "switch", name: pick(cluster.switches) }, "cut"],
    () => [{ kind: "link", name: pick(cluster.links) }, "cut"],
  ];
  const faults = [];
  for (let next = began + FAULT_EVERY_MS; ; next += FAULT_EVERY_MS) {
    await sleep(Math.max(0, next - performance.now()));
    if (isOver()) return faults;
    const [part, action] = choices[Math.floor(random() * choices.length)]();
    const hold = HOLD_MS + random() * HOLD_MORE_MS;
    const fault = { at_ms: Math.round(performance.now() - began), what: `${action} ${part.kind} ${part.name}` };
    faults.push(fault);
    try {
      await change(url, part, action);
      await sleep(hold);
    } finally {
      await change(url, part, "heal");
    }
    const healed = performance.now();
    while (!(await isWhole(url))) {
      if (performance.now() - healed > 20_000) throw new Error(`${fault.what}: not everything is up 20 s after healing`);
      await sleep(50);
    }
    fault.healed_after_ms = Math.round(hold);
    fault.up_after_ms = Math.round(performance.now() - healed);
    // Never two at once: a part that is late costs the next fault its turn.
    while (next + FAULT_EVERY_MS < performance.now()) next += FAULT_EVERY_MS;
  }
}

async function run(url, title, seed, seconds) {
  const profile = mkdtempSync(join(tmpdir(), "rain-rebuffer-"));
  const executablePath = process.env.CHROMIUM || "/usr/bin/chromium";
  let context = null;
  try {
    const viewport = { width: 480, height: 270 };
    context = await chromium.launchPersistentContext(profile, { executablePath, args: FLAGS, viewport });
    const page = context.pages()[0] ?? await context.newPage();
    const blank = new URL("/rebuffer-test", url).href;
    await page.route(blank, (route) => route.fulfill({
      contentType: "text/html",
      body: '<!doctype html><link rel="icon" href="data:,"><video muted width="320" height="180"></video>',
    }));
    await page.goto(blank);
    const path = `/v/${encodeURIComponent(title)}`;
    const playing = page.evaluate(play, { path, codecs: CODECS, aheadSeconds: AHEAD_SECONDS });
    const failed = playing.then(() => null, (error) => error);
    const started = page.waitForFunction(() => window.seen?.playingSince, null, { timeout: START_MS, polling: 50 });
    const early = await Promise.race([started.then(() => null), failed.then((error) => error ?? new Error("it ended at once"))]);
    if (early) throw early;

    const began = performance.now();
    const isOver = () => performance.now() - began > (seconds - FAULT_EVERY_MS / 1000) * 1000;
    const faults = await trouble(url, randomOf(seed), began, isOver);
    await sleep(Math.max(0, began + seconds * 1000 - performance.now()));
    const seen = await page.evaluate(() => {
      const { seen } = window;
      if (seen.waitingSince !== null) seen.waits.push(performance.now() - seen.waitingSince);
      return seen;
    });
    return {
      seed, seconds, rebuffers: seen.waits.length, waits_ms: seen.waits.map(Math.round),
      stood_ms_max: Math.round(seen.stoodMax), buffered_seconds_min: seen.bufferedMin, breaks: seen.breaks,
      played_seconds: seen.currentTime, bytes: seen.bytes, errors: seen.errors, faults,
    };
  } finally {
    await context?.close();
    rmSync(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
}

const [url, title, seed, seconds, ...rest] = process.argv.slice(2);
if (!url || !title || !seed || !seconds || rest.length > 0) {
  console.error("use: node rebuffer.mjs URL TITLE SEED SECONDS");
  process.exit(2);
}
try {
  console.log(JSON.stringify(await run(url, title, Number(seed), Number(seconds))));
} catch (error) {
  console.error(error);
  process.exit(1);
}
