// Plays the sample on the pages for players, as a person would who has their libraries, and kills the node it plays from.
//
//     node pages.mjs URL DIRECTORY
//
// URL is a demo's. Prints a line per check; exits 1 at the first that fails, with the reason. A screenshot of each page goes
// to DIRECTORY.

import { join } from "node:path";
import { check, run, until } from "./browser.mjs";

const SAMPLE = "sample.mp4";
const LIBRARIES = {
  hls: ["hls.js", "hls.js/dist/hls.min.js"],
  dash: ["dash.js", "dashjs/dist/modern/umd/dash.all.min.js"],
  shaka: ["Shaka Player", "shaka-player/dist/shaka-player.compiled.js"],
  videojs: ["video.js", "video.js/dist/video.min.js"],
};

const text = (page, id) => page.textContent(`#${id}`);

async function playOn(page, directory, name) {
  const [title, library] = LIBRARIES[name];
  await page.goto(new URL(`/players/${name}.html`, url).href);
  await until(page, `${title}: the sample can be chosen`, 10, (sample) =>
    [...document.querySelector("#title").options].some((option) => option.value === sample), SAMPLE);
  check((await text(page, "library-text")).startsWith(`${title} is no part of RAIN.`), "it says what is missing", name);
  check(await page.isDisabled("#play"), "and plays nothing without", name);

  await page.setInputFiles("#library-file", { name: "x.js", mimeType: "text/javascript", buffer: Buffer.from("0") });
  await page.click("#library-load");
  await until(page, "another script is no player", 5, () => /That is not/.test(document.querySelector("#notices").textContent));
  await page.setInputFiles("#library-file", join("node_modules", library));
  await page.click("#library-load");
  await until(page, "its library is loaded", 10, () => / is loaded\.$/.test(document.querySelector("#library-text").textContent));
  await page.selectOption("#title", SAMPLE);
  await page.click("#play");
  await until(page, "it plays", 20, () => document.querySelector("#screen video").currentTime > 1);
  const from = await until(page, "from a node that it names", 5, () =>
    /^node ([A-D])$/.exec(document.querySelector("#from").textContent)?.[1]);
  await page.getByRole("button", { name: `Kill node ${from}`, exact: true }).click();
  const to = await until(page, `from another one once ${from} is killed`, 15, (from) =>
    /^node ([A-D])$/.exec(document.querySelector("#from").textContent)?.[1].replace(from, ""), from);
  const before = await page.evaluate(() => document.querySelector("#screen video").currentTime);
  await page.waitForTimeout(3000);
  const after = await page.evaluate(() => document.querySelector("#screen video").currentTime);
  check(after > before + 2.5, `it plays on from ${to}`, { before, after });
  check((await text(page, "frozen")) === "0.0 s", "the picture was not frozen", await text(page, "frozen"));
  const said = await page.locator("#notices p").allTextContents();
  check(said.length === 0, "nothing is complained of", said);
  await page.screenshot({ path: join(directory, `player-${name}.png`), fullPage: true });
  await page.getByRole("button", { name: `Heal node ${from}`, exact: true }).click();
  await until(page, `node ${from} is up again`, 15, (from) =>
    [...document.querySelectorAll("#parts .what")].some((name) => name.textContent === `node ${from}: up`), from);
}

/** A library that is a title is not run: whoever may store one could do what the console can. */
async function refuseTitle(page) {
  const stored = await fetch(new URL("/v/evil.js", url), { method: "PUT", body: "window.Hls = class {};" });
  check(stored.ok, "a script is stored", stored.status);
  await page.goto(new URL("/players/hls.html", url).href);
  await page.fill("#library-url", new URL("/v/evil.js", url).href);
  await page.click("#library-load");
  await until(page, "a title is run by no page", 5, () => /it is a title/.test(document.querySelector("#notices").textContent));
  check(await page.evaluate(() => window.Hls === undefined), "it was not run", "Hls");
  await fetch(new URL("/v/evil.js", url), { method: "DELETE" });
}

async function drive(page) {
  await refuseTitle(page);
  for (const name of Object.keys(LIBRARIES)) await playOn(page, directory, name);
}

const [url, directory] = process.argv.slice(2);
if (!directory) {
  console.error("usage: node pages.mjs URL DIRECTORY");
  process.exit(2);
}
// What is asked of the node that is killed fails, and is complained of.
await run(directory, drive, (complaint) => /ERR_|Failed to load resource/.test(complaint));
