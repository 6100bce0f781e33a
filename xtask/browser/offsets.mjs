// Packages files as ffmpeg makes them, and holds what is made of them against two that know nothing of us: a parser of HLS that
// takes nothing but what the standard allows, and Chromium, which says by `buffered` when it would show what.
//
//     node offsets.mjs URL DIRECTORY
//
// URL is a demo's; ffmpeg and ffprobe are in the path. Prints a line per check; exits 1 at the first that fails, with the reason.

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import HLS from "hls-parser";
import { check, run } from "./browser.mjs";

HLS.setOptions({ strictMode: true });

const OFFSET_S = 0.001;
/** The last picture and the last frame of sound last for so long at most. */
const LAST_S = 0.05;
const PICTURES = ["-f", "lavfi", "-i", "testsrc2=size=192x108:rate=25"];
const SOUND = ["-f", "lavfi", "-i", "sine=sample_rate=48000"];
const H264 = ["-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-g", "50"];
const FILES = {
  "b-frames": [...PICTURES, ...SOUND, "-t", "9", ...H264, "-c:a", "aac"],
  "late sound": [...PICTURES, "-itsoffset", "0.678", ...SOUND, "-t", "9", ...H264, "-c:a", "aac"],
  "late pictures": ["-itsoffset", "0.32", ...PICTURES, ...SOUND, "-t", "9", ...H264, "-c:a", "aac"],
  "opus": [...PICTURES, ...SOUND, "-t", "9", ...H264, "-c:a", "libopus"],
  "fragments": [...PICTURES, ...SOUND, "-t", "9", ...H264, "-c:a", "aac", "-movflags", "+frag_keyframe+empty_moov"],
};

/** When ffprobe shows the first and the last of each kind in a file, in seconds. */
function probed(file) {
  const entries = ["-v", "error", "-show_entries", "stream=codec_type,start_time,duration", "-of", "json", file];
  const { streams } = JSON.parse(execFileSync("ffprobe", entries, { encoding: "utf8" }));
  return Object.fromEntries(streams.map(({ codec_type: kind, start_time: start, duration }) =>
    [kind, { start: Number(start), end: Number(start) + Number(duration) }]));
}

/** The playlists of a title, read strictly: of each track its codec and the URLs of its parts, the init segment first. */
async function tracks(title) {
  const master = new URL(`/p/${encodeURIComponent(title)}/master.m3u8`, url);
  const read = async (from) => HLS.parse(await (await fetch(from)).text());
  const [variant] = (await read(master)).variants;
  const [video, audio] = variant.codecs.split(",");
  const parts = async (uri) => {
    const { segments } = await read(new URL(uri, master));
    return [segments[0].map.uri, ...segments.map((segment) => segment.uri)].map((part) => new URL(part, new URL(uri, master)).href);
  };
  return {
    video: { type: `video/mp4; codecs="${video}"`, parts: await parts(variant.uri) },
    audio: { type: `audio/mp4; codecs="${audio}"`, parts: await parts(variant.audio[0].uri) },
  };
}

/** Runs in the page: when a browser would show each track, in seconds. */
async function buffered(tracks) {
  const video = document.createElement("video");
  const source = new MediaSource();
  video.src = URL.createObjectURL(source);
  await new Promise((done) => source.addEventListener("sourceopen", done, { once: true }));
  const buffers = Object.entries(tracks).map(([kind, { type, parts }]) => ({ kind, parts, buffer: source.addSourceBuffer(type) }));
  const shown = {};
  for (const { kind, parts, buffer } of buffers) {
    for (const part of parts) {
      const bytes = await (await fetch(part)).arrayBuffer();
      const appended = new Promise((done, fail) => {
        buffer.addEventListener("updateend", done, { once: true });
        buffer.addEventListener("error", () => fail(new Error(`${part} is refused`)), { once: true });
      });
      buffer.appendBuffer(bytes);
      await appended;
    }
    const { length } = buffer.buffered;
    shown[kind] = { ranges: length, start: buffer.buffered.start(0), end: buffer.buffered.end(length - 1) };
  }
  return shown;
}

async function drive(page) {
  await page.goto(new URL("/rain-players.js", url).href);
  const folder = mkdtempSync(join(tmpdir(), "rain-offsets-"));
  try {
    for (const [name, how] of Object.entries(FILES)) {
      const file = join(folder, "film.mp4");
      execFileSync("ffmpeg", ["-y", "-v", "error", "-nostdin", ...how, file]);
      const stored = await fetch(new URL("/v/film.mp4", url), { method: "PUT", body: readFileSync(file) });
      check(stored.ok, `${name}: stored`, stored.status);
      const source = probed(file);
      const shown = await page.evaluate(buffered, await tracks("film.mp4"));
      const offset = ({ video, audio }) => audio.start - video.start;
      check(Math.abs(offset(shown) - offset(source)) < OFFSET_S, `${name}: sound and pictures keep their distance`, { shown, source });
      for (const kind of ["video", "audio"]) {
        const lasts = ({ start, end }) => end - start;
        check(shown[kind].ranges === 1, `${name}: ${kind} has no hole`, shown[kind]);
        check(Math.abs(lasts(shown[kind]) - lasts(source[kind])) < LAST_S, `${name}: all of ${kind} is there`, { shown, source });
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const [url, directory] = process.argv.slice(2);
if (!directory) {
  console.error("usage: node offsets.mjs URL DIRECTORY");
  process.exit(2);
}
await run(directory, drive, (complaint) => complaint.includes("/favicon.ico"));
