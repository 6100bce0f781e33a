// Drives the console in a real browser, as a viewer and operator would.
//
//     node console.mjs URL DIRECTORY
//
// Opens the console at URL, watches the sample from its start over a seek to its end, cuts and heals a switch and a node
// on the way, stores files and deletes them again, one of which is no video and one a page that attacks, and makes the page as narrow as a telephone's.
// Prints a line per check; exits 1 at the first that fails, with the reason. A screenshot, `console.png`, goes to
// DIRECTORY (`failure.png` if a check fails). The browser is Chromium at $CHROMIUM, or /usr/bin/chromium.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { CheckFailed, VIEWPORT, check, run, until } from "./browser.mjs";

const NODES = 4;
/** More titles than a page has. */
const MANY = 60;
const PAGE = 50;
const SWITCHES = 2;
const SAMPLE = "sample.mp4";
const SEEK_TO_SECONDS = 45;
const PLAYBACK_RATE = 4;
/** A picture that waits for longer than this is a rebuffer. */
const REBUFFER_MS = 250;

/** Runs in the page before its own scripts: notes what the player goes through, and for how long it waits. */
function watchVideo() {
  const seen = { playing: 0, seeked: 0, ended: 0, errors: [], waits: [] };
  window.seenByTest = seen;
  let waitsSince = null;
  const resume = () => {
    if (waitsSince !== null) seen.waits.push(performance.now() - waitsSince);
    waitsSince = null;
  };
  const on = (name, listener) => document.addEventListener(name, (event) => {
    if (event.target instanceof HTMLVideoElement) listener(event.target);
  }, true);
  on("playing", () => { seen.playing += 1; resume(); });
  on("seeking", () => { waitsSince = null; });
  on("seeked", () => { seen.seeked += 1; });
  on("ended", () => { seen.ended += 1; resume(); });
  on("error", (video) => seen.errors.push(`${video.error?.code}: ${video.error?.message}`));
  on("waiting", (video) => {
    if (seen.playing > 0 && !video.seeking) waitsSince ??= performance.now();
  });
  // Not every stall is announced: the picture's time must also move while it plays.
  let last = { time: -1, at: 0 };
  setInterval(() => {
    const video = document.querySelector("video");
    const now = performance.now();
    const still = video && seen.playing > 0 && !video.paused && !video.ended && !video.seeking
      && video.currentTime === last.time;
    if (still) {
      last.stood = now - last.at;
      seen.longestStand = Math.max(seen.longestStand ?? 0, last.stood);
    } else {
      last = { time: video?.currentTime ?? -1, at: now };
    }
  }, 20);
}

const state = (page) => page.evaluate(() => {
  const video = document.querySelector("video");
  const { currentTime, duration, ended, error, src } = video;
  return { currentTime, duration, ended, error: error && `${error.code}: ${error.message}`, src };
});

async function checkNodes(page) {
  await until(page, `the map shows ${NODES} nodes, ${SWITCHES} switches and their links, all up`, 10, ({ nodes, switches }) => {
    const up = (kind) => document.querySelectorAll(`#map .${kind}[data-state="up"]`).length;
    return up("node") === nodes && up("switch") === switches && up("link") === nodes * switches;
  }, { nodes: NODES, switches: SWITCHES });
  const labels = await page.locator("#map .part").evaluateAll((parts) =>
    parts.map((part) => `${part.getAttribute("role")}: ${part.getAttribute("aria-label")}`));
  const unnamed = labels.filter((label) => !/^button: (Node|Switch|Link) \S+, up/.test(label));
  check(unnamed.length === 0, "every part is a button that says what it is", unnamed);
  const headline = await page.textContent("#headline");
  check(headline.startsWith(`${NODES} of ${NODES} nodes up`), "the headline says so too", headline);
}

/** Waits until a part of the map is in a state. */
const untilPart = (page, kind, name, state) => until(page, `${kind} ${name} is shown ${state}`, 10, ({ kind, name, state }) =>
  document.querySelector(`#map .${kind}[data-name="${name}"]`)?.dataset.state === state, { kind, name, state });

const focused = (page) => page.evaluate(() => document.activeElement.getAttribute("aria-label"));

async function checkFaults(page, directory) {
  // A quick player has the whole film before the page listens to events: one more read, of which it hears.
  await page.evaluate(() => fetch("/v/sample.mp4", { cache: "no-store" }).then((answer) => answer.arrayBuffer()));
  await until(page, "what was read is told", 10, () => {
    const bars = document.querySelectorAll("#reads-chart rect").length;
    return bars > 0 && /served/.test(document.querySelector("#reads-text").textContent);
  });

  // By keyboard alone.
  await page.focus('#map .part[tabindex="0"]');
  for (let step = 0; step < 4 && !(await focused(page)).startsWith("Switch s1"); step += 1) await page.keyboard.press("ArrowUp");
  check((await focused(page)) === "Switch s1, up", "arrows lead to a switch", await focused(page));
  await page.keyboard.press("Enter");
  await page.keyboard.press("Escape");
  check((await focused(page)) === "Switch s1, up", "Escape leads back from its menu", await focused(page));
  await page.keyboard.press("Enter");
  await page.keyboard.press("Enter");
  await untilPart(page, "switch", "s1", "down");
  await until(page, "it is said aloud", 5, () => /Switch s1 is cut/.test(document.querySelector("#news[aria-live]").textContent));

  // A node by mouse, while the title is read anew.
  await page.locator('#map .node[data-name="C"]').click();
  await page.locator('#map-menu [data-action="cut"]').click();
  await untilPart(page, "node", "C", "down");
  await page.evaluate(() => { window.seenByTest.playing = 0; });
  await page.getByRole("button", { name: `Play ${SAMPLE}` }).click();
  await until(page, "it plays from its start, with a switch and a node cut", 10, () =>
    window.seenByTest.playing > 0 && document.querySelector("video").currentTime > 1);
  check(await page.evaluate(() => !document.querySelector("video").muted), "who chooses a title hears it", "muted");
  // The player may have had it all in its cache.
  const bytes = await page.evaluate(async (title) =>
    (await (await fetch(`/v/${title}`, { cache: "no-store" })).arrayBuffer()).byteLength, SAMPLE);
  check(bytes > 1_000_000, "it is read whole", bytes);
  await until(page, "what is decoded is told", 10, () =>
    document.querySelectorAll("#reads-chart .decoded").length > 0);
  await page.screenshot({ path: join(directory, "faults.png"), fullPage: true });

  await page.locator('#map .node[data-name="C"]').click();
  await page.locator('#map-menu [data-action="heal"]').click();
  await untilPart(page, "node", "C", "up");
  await page.locator('#map .switch[data-name="s1"]').focus();
  await page.keyboard.press("Enter");
  await page.keyboard.press("Enter");
  await untilPart(page, "switch", "s1", "up");
  const { currentTime, ended } = await state(page);
  await page.waitForTimeout(1000);
  check(ended || (await state(page)).currentTime > currentTime + 0.5, "it plays on all the while", currentTime);
}

async function checkPlayback(page, directory) {
  const started = Date.now();
  await until(page, `${SAMPLE} plays`, 15, (title) => {
    const video = document.querySelector("video");
    return video.src.endsWith(`/v/${title}`) && window.seenByTest.playing > 0 && video.currentTime > 0.5;
  }, SAMPLE);
  console.log(`    picture after ${Date.now() - started} ms`);
  check(await page.evaluate(() => document.querySelector("video").muted), "nobody asked for sound, and there is none", false);
  const before = (await state(page)).currentTime;
  await page.waitForTimeout(1500);
  const after = (await state(page)).currentTime;
  check(after - before > 1, "its time advances with the clock", { before, after });
  await page.screenshot({ path: join(directory, "console.png"), fullPage: true });
  await checkFaults(page, directory);

  const { duration } = await state(page);
  check(duration > SEEK_TO_SECONDS + 5, `it lasts longer than ${SEEK_TO_SECONDS} s`, duration);
  await page.evaluate((seconds) => {
    const video = document.querySelector("video");
    window.seenByTest.seeked = 0;
    video.currentTime = seconds;
  }, SEEK_TO_SECONDS);
  await until(page, `a seek to ${SEEK_TO_SECONDS} s is done and the picture moves on`, 10, (seconds) => {
    const video = document.querySelector("video");
    return window.seenByTest.seeked > 0 && !video.seeking && video.currentTime > seconds + 0.3;
  }, SEEK_TO_SECONDS);

  await page.evaluate((rate) => { document.querySelector("video").playbackRate = rate; }, PLAYBACK_RATE);
  await until(page, "it plays to its end", 30, () => window.seenByTest.ended > 0);
  const end = await state(page);
  check(end.ended && Math.abs(end.currentTime - end.duration) < 0.25, "the end is the title's", end);
  await checkSmooth(page);
}

async function checkSmooth(page) {
  const seen = await page.evaluate(() => window.seenByTest);
  check(seen.errors.length === 0 && (await state(page)).error === null, "no media error", seen.errors);
  const worst = Math.max(0, ...seen.waits);
  check(worst <= REBUFFER_MS, `no rebuffer over ${REBUFFER_MS} ms`, seen.waits);
  check((seen.longestStand ?? 0) <= REBUFFER_MS, `no picture that stands for over ${REBUFFER_MS} ms`, seen.longestStand);
}

/** Every stream begins with a short wait: that is no stall. */
async function checkStalls(page) {
  const bars = async (seconds) => {
    await page.evaluate(async (stall) => {
      const { noteReads } = await import("/reads.js");
      noteReads({
        node: "A", streams: 0, served_bytes: 0, peer_bytes: 0, extra_bytes: 0, decoded_stripes: 0, hedges_sent: 0,
        hedges_won: 0, sources: [], stall_seconds: stall,
      });
    }, seconds);
    await page.waitForTimeout(3000);
    return page.locator("#reads-chart .stalls").count();
  };
  const before = await bars(0);
  const short = await bars(0.04);
  check(short === before, "a wait of 40 ms is not drawn as a stall", short - before);
  const long = await bars(0.2);
  check(long === before + 1, "one of 200 ms is", long - before);
}

/** What the page says of a film that was stored is what ffprobe says of it. */
async function checkInspected(page) {
  const title = `film ${process.pid}.mp4`;
  const buffer = readFileSync("../../streamer/assets/sample.mp4");
  await page.setInputFiles("#upload-file", { name: title, mimeType: "video/mp4", buffer });
  await page.click("#upload-button");
  const words = "Players are given avc1.4d401e (640\u00d7360, 30.00 pictures/s, 477 kbit/s), mp4a.40.2 (1 channel, 63 kbit/s).";
  await until(page, "what players are given of a film is said once it is stored", 15, (words) =>
    document.querySelector("#notices").textContent.includes(words), words);
  const status = await page.evaluate(async (path) => (await fetch(path, { method: "DELETE" })).status, `/v/${encodeURIComponent(title)}`);
  check(status === 204, "it is deleted again", status);
}

/** A file that is no video: no node is to blame for it. */
async function checkUnplayable(page) {
  const title = `browser test ${process.pid}.mp4`;
  const buffer = Buffer.from("No film at all.\n".repeat(1000));
  await page.setInputFiles("#upload-file", { name: title, mimeType: "video/mp4", buffer });
  await page.click("#upload-button");
  await until(page, "what players are given of it is said once it is stored", 15, () =>
    /is stored \([^)]+\)\. Players of HLS and DASH are not given it: neither MP4 nor MOV/.test(document.querySelector("#notices").textContent));
  await page.getByRole("button", { name: `Play ${title}` }).click({ timeout: 15_000 });
  await until(page, "a file that is no video is said to be none", 10, (title) =>
    document.querySelector("#notices").textContent.includes(`${title} is delivered as it is stored`), title);
  await page.waitForTimeout(2000);
  const said = await page.locator("#notices [data-subject=player] p, #attachment").allTextContents();
  check(said.length === 2 && !/[Nn]ode [A-D]|Moved/.test(said.join()), "no node is blamed for it", said);
  await page.getByRole("button", { name: `Delete ${title}` }).click();
  await page.locator("#confirm").getByRole("button", { name: "Delete" }).click();
  await until(page, "what the page plays next has no sound", 15, (title) => {
    const video = document.querySelector("video");
    return video.src.endsWith(`/v/${title}`) && video.muted && video.currentTime > 0;
  }, SAMPLE);
  const left = await page.locator("#notices [data-subject=player]").count();
  check(left === 0, "what was said of it is gone with it", left);
}

/** With more titles than anybody reads, a page of them is asked for and shown, and the nodes search. */
async function checkPages(page) {
  const run = `many ${process.pid}/`;
  const name = (number) => `${run}${String(number).padStart(3, "0")}.txt`;
  const titles = Array.from({ length: MANY }, (_, number) => name(number));
  const asked = [];
  const note = (request) => {
    const url = new URL(request.url());
    if (url.pathname === "/api/v1/titles") asked.push(Number(url.searchParams.get("limit") ?? Infinity));
  };
  await page.evaluate(async (titles) => {
    for (const title of titles) await fetch(`/v/${encodeURIComponent(title)}`, { method: "PUT", body: title });
  }, titles);
  page.on("request", note);
  const shows = (first, count) => ({ first, count });
  const isShown = ({ first, count }) => {
    const shown = [...document.querySelectorAll("#titles .title")].map((title) => title.textContent);
    return shown.length === count && shown[0] === first;
  };
  await page.fill("#search", run);
  await until(page, `a search shows a page of ${PAGE}`, 10, isShown, shows(name(0), PAGE));
  check(await page.isDisabled("#page-before"), "nothing is before the first page", false);
  await page.click("#page-next");
  await until(page, "the next page shows the rest", 10, isShown, shows(name(PAGE), MANY - PAGE));
  check(await page.isDisabled("#page-next"), "nothing is behind the last page", false);
  await page.waitForTimeout(4000);
  check(await page.evaluate(isShown, shows(name(PAGE), MANY - PAGE)), "the page stays while it is asked for anew", false);
  await page.click("#page-before");
  await until(page, "and back", 10, isShown, shows(name(0), PAGE));
  await page.fill("#search", name(7));
  await until(page, "a search for one finds it", 10, isShown, shows(name(7), 1));
  await page.fill("#search", `${run}nothing`);
  await until(page, "what is not there is said not to be", 10, () => /No title begins with/.test(document.querySelector("#titles-none").textContent));
  await page.setViewportSize({ width: 390, height: 844 });
  await page.fill("#search", run);
  await until(page, "on a telephone too", 10, isShown, shows(name(0), PAGE));
  const sideways = await page.evaluate(() => document.scrollingElement.scrollWidth - document.scrollingElement.clientWidth);
  check(sideways <= 0, "a page of titles is no wider than it", sideways);
  await page.setViewportSize(VIEWPORT);
  page.off("request", note);
  check(asked.length > 3 && asked.every((limit) => limit <= PAGE + 1), "never is more asked for than is shown", asked);
  await page.evaluate(async (titles) => {
    for (const title of titles) await fetch(`/v/${encodeURIComponent(title)}`, { method: "DELETE" });
  }, titles);
  await page.fill("#search", "");
  await until(page, "without a search all is shown again", 10, (sample) =>
    [...document.querySelectorAll("#titles .title")].some((title) => title.textContent === sample), SAMPLE);
}

/** A stored page must not do in the viewer's name what the console may: its scripts do not run. */
async function checkStoredPage(page) {
  const attack = `<!doctype html><title>before</title><script>
    document.title = "ran";
    fetch("/v/victim", { method: "DELETE" });
  </script><img src="/nothing" onerror="fetch('/v/victim', { method: 'DELETE' })">`;
  const origin = new URL(page.url()).origin;
  const put = (path, type, body) => page.evaluate(async ([path, type, body]) =>
    (await fetch(path, { method: "PUT", headers: { "content-type": type }, body })).status, [path, type, body]);
  for (const [path, type, body] of [["/v/victim", "text/plain", "whole"], ["/v/attack.html", "text/html", attack]]) {
    const status = await put(path, type, body);
    check(status === 201 || status === 204, `${path} is stored`, status);
  }
  const other = await page.context().newPage();
  const answer = await other.goto(`${origin}/v/attack.html`, { waitUntil: "networkidle" });
  check(answer.headers()["content-type"].startsWith("text/html"), "the stored page is shown as a page", answer.headers());
  const title = await other.title();
  check(title === "before", "its scripts do not run", title);
  await other.close();
  const left = await page.evaluate(async () => (await fetch("/v/victim")).status);
  check(left === 200, "what it would delete is there", left);
  const gone = await page.evaluate(async () => {
    const answers = await Promise.all(["victim", "attack.html"].map((name) => fetch(`/v/${name}`, { method: "DELETE" })));
    return answers.map((answer) => answer.status);
  });
  check(gone.every((status) => status === 204), "both are deleted again", gone);
}

/** On a telephone everything of a title is there, and nothing must be pushed sideways. */
async function checkNarrow(page, directory) {
  await page.setViewportSize({ width: 390, height: 844 });
  await page.waitForTimeout(300);
  const found = await page.evaluate(() => {
    const [page, box] = [document.scrollingElement, document.querySelector(".scroll")];
    const row = document.querySelector("#titles > tr");
    const parts = [".title", ".margin", ".cell", "button.quiet"].map((part) => row.querySelector(part).getBoundingClientRect());
    return {
      sideways: [page.scrollWidth - page.clientWidth, box.scrollWidth - box.clientWidth],
      outside: parts.filter((part) => part.width === 0 || part.left < 0 || part.right > 390).length,
    };
  });
  await page.locator("#titles").screenshot({ path: join(directory, "narrow.png") });
  check(found.sideways.every((pixels) => pixels <= 0) && found.outside === 0, "390 pixels are wide enough for the titles", found);
  await page.setViewportSize(VIEWPORT);
}

async function checkUpload(page) {
  const title = `browser test ${process.pid}.txt`;
  const buffer = Buffer.from("A line of text, stored over several nodes.\n".repeat(1000));
  const listed = ({ title, wanted }) => wanted === [...document.querySelectorAll("#titles .title")]
    .some((name) => name.textContent === title);
  await page.setInputFiles("#upload-file", { name: title, mimeType: "text/plain", buffer });
  const proposed = await page.inputValue("#upload-title");
  check(proposed === title, "the form proposes the file's name", proposed);
  try {
    await page.click("#upload-button");
    await until(page, "an uploaded file is in the table", 15, listed, { title, wanted: true });
    const columns = await page.locator("#titles > tr", { hasText: title }).locator(".cell").count();
    check(columns === NODES, `the table shows its ${NODES} columns`, columns);
    await page.getByRole("button", { name: `Delete ${title}` }).click();
    await page.locator("#confirm").getByRole("button", { name: "Delete" }).click();
    await until(page, "a deleted file leaves the table", 15, listed, { title, wanted: false });
  } catch (error) {
    if (!(error instanceof CheckFailed)) throw error;
    throw new CheckFailed(`${error.message}; the console says: ${await page.textContent("#notices")}`);
  }
}

async function drive(page) {
  await page.addInitScript(watchVideo);
  await page.goto(url, { waitUntil: "load", timeout: 15_000 });
  check((await page.locator(".name").textContent()) === "RAIN", "the console opens", await page.title());
  await checkNodes(page);
  await checkPlayback(page, directory);
  await checkUpload(page);
  await checkSmooth(page);
  await checkStalls(page);
  await checkInspected(page);
  await checkUnplayable(page);
  await checkPages(page);
  await checkStoredPage(page);
  await checkNarrow(page, directory);
}

const [url, directory, ...rest] = process.argv.slice(2);
if (!url || !directory || rest.length > 0) {
  console.error("use: node console.mjs URL DIRECTORY");
  process.exit(2);
}
// What is no film is refused where it is asked what players are given of it.
await run(directory, drive, (complaint) => /415.*\/api\/v1\/inspect\//.test(complaint));
