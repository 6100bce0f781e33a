// Reads through the service worker of a page while the page's own node hangs, in a real browser.
//
//     node worker.mjs URL OTHER_URL PID DIRECTORY
//
// PID is the process of node A at URL, which is stopped and let go on; B is the other. Both have every title. Prints a line per
// check; exits 1 at the first that fails, with the reason.

import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { check, run, until } from "./browser.mjs";

/** More than sockets hold: half of it is still to come when the node stops. */
const BYTES = 96 << 20;
const SAMPLE = "../../streamer/assets/sample.mp4";
/** A worker leaves a silent node after 600 ms; the rest is for a busy machine. */
const GONE_ON_MS = 8_000;

/** Numbers of which each place has its own, so that no byte can be out of its place. */
const content = () => {
  const words = new Uint32Array(BYTES / 4);
  for (let at = 0; at < words.length; at += 1) words[at] = Math.imul(at + 1, 0x9e3779b1);
  return new Uint8Array(words.buffer);
};

/** Begins to read a title in the page, and stops after its first bytes. */
const begin = (page, path) => page.evaluate(async (path) => {
  const response = await fetch(path);
  window.reading = { reader: response.body.getReader(), parts: [], status: response.status };
  const { value } = await window.reading.reader.read();
  window.reading.parts.push(value);
  return { status: response.status, bytes: value.length, length: Number(response.headers.get("content-length")) };
}, path);

/** Reads to the end: how many bytes there were, the first that is wrong, the longest wait for some. */
const finish = (page) => page.evaluate(async () => {
  const { reader, parts } = window.reading;
  let longest = 0;
  for (;;) {
    const asked = performance.now();
    const { done, value } = await reader.read();
    longest = Math.max(longest, performance.now() - asked);
    if (done) break;
    parts.push(value);
  }
  const bytes = new Uint8Array(await new Blob(parts).arrayBuffer());
  const words = new Uint32Array(bytes.buffer);
  const wrong = words.findIndex((word, at) => word !== Math.imul(at + 1, 0x9e3779b1) >>> 0);
  return { bytes: bytes.length, wrong, longest };
});

/** What a page is answered, and after how long. */
const fetched = (page, path) => page.evaluate(async (path) => {
  const asked = performance.now();
  const response = await fetch(path);
  const body = await response.arrayBuffer();
  return { status: response.status, bytes: body.byteLength, ms: performance.now() - asked };
}, path);

async function drive(page) {
  const stored = await fetch(new URL("v/long.bin", url), { method: "PUT", body: content() });
  check(stored.status === 201, "a title is stored", stored.status);
  await page.goto(url, { waitUntil: "load", timeout: 15_000 });
  const connected = await page.evaluate(async () => (await import("/rain-players.js")).connect());
  check(connected, "the worker answers for the page", connected);

  const begun = await begin(page, "/v/long.bin");
  check(begun.status === 200 && begun.length === BYTES && begun.bytes < BYTES / 2, "reading has begun", begun);
  process.kill(pid, "SIGSTOP");
  let read;
  let again;
  let text;
  let later;
  try {
    read = await finish(page);
    again = await fetched(page, "/v/long.bin");
    text = await fetched(page, "/p/long.bin/master.m3u8");
    // Browsers end a worker that nobody asks for anything: what the next one knows, it knows from the one before.
    const browser = await page.context().newCDPSession(page);
    await browser.send("ServiceWorker.enable");
    await browser.send("ServiceWorker.stopAllWorkers");
    later = await fetched(page, "/v/long.bin");
  } finally {
    process.kill(pid, "SIGCONT");
  }
  check(read.bytes === BYTES && read.wrong === -1, "every byte is right though the node hung", read);
  check(read.longest > 500 && read.longest < GONE_ON_MS, "and it was waited for once", read);
  check(again.status === 200 && again.bytes === BYTES, "what is asked for anew comes from the other node", again);
  check(later.status === 200 && later.bytes === BYTES, "a worker that begins while the node hangs knows the other", later);
  check(text.status === 415, "errors come through, too", text);

  const none = await fetched(page, "/v/none");
  check(none.status === 404, "as they are", none);
  const part = await page.evaluate(async () => {
    const response = await fetch("/v/long.bin", { headers: { range: "bytes=4-11" } });
    return { status: response.status, words: [...new Uint32Array(await response.arrayBuffer())] };
  });
  const expected = [2, 3].map((word) => Math.imul(word, 0x9e3779b1) >>> 0);
  check(part.status === 206 && part.words.join() === expected.join(), "a range is that range", part);
  await sleep(100);
  await outlive(page);
}

/** The console of a node that hangs plays on what it had not read. */
async function outlive(page) {
  const stored = await fetch(new URL("v/sample.mp4", url), { method: "PUT", body: readFileSync(SAMPLE) });
  check(stored.status === 201, "a film is stored", stored.status);
  await page.goto(url, { waitUntil: "load", timeout: 15_000 });
  await until(page, "the console plays it through its worker", 20, () => {
    const video = document.querySelector("#video");
    return video.currentSrc.endsWith("/v/sample.mp4?worker") && video.currentTime > 1;
  });
  process.kill(pid, "SIGSTOP");
  try {
    await page.evaluate(() => { document.querySelector("#video").currentTime = 50; });
    await until(page, "the end of it comes from another node", 10, () => {
      const video = document.querySelector("#video");
      return !video.seeking && video.currentTime > 51;
    });
    const source = await page.evaluate(() => document.querySelector("#video").currentSrc);
    check(source === new URL("/v/sample.mp4?worker", url).href, "the player was not moved", source);
    const said = await page.textContent("#attachment");
    check(said === "Through any node, now B", "it says from which", said);
  } finally {
    process.kill(pid, "SIGCONT");
  }
}

const [url, other, pidText, directory] = process.argv.slice(2);
if (!directory) {
  console.error("usage: node worker.mjs URL OTHER_URL PID DIRECTORY");
  process.exit(2);
}
const pid = Number(pidText);
await run(directory, drive, (text) => /404|415|5\d\d/.test(text) || text.includes(other));
