// Logs in to the console of a node with tokens, in a real browser.
//
//     node login.mjs URL DIRECTORY TOKEN_FILE
//
// The token is that of `paul`, a publisher of titles that begin with `films/`. Prints a line per check; exits 1 at the first that
// fails, with the reason. A screenshot, `login.png`, goes to DIRECTORY (`failure.png` if a check fails).

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { check, run, until } from "./browser.mjs";

const says = (page, text) => until(page, `the page says "${text}"`, 10, (text) =>
  document.querySelector("#caller-text").textContent === text, text);

/** What may be done with the page: uploads, and deletions of the titles that are listed. */
const able = (page) => page.evaluate(() => ({
  upload: !document.querySelector("#upload-button").disabled && !document.querySelector("#upload-file").disabled,
  remove: [...document.querySelectorAll("#titles button.quiet")].map((button) => !button.disabled),
}));

async function logIn(page, token) {
  await page.click("#log-in");
  await page.fill("#login-token", token);
  await page.click("#login-button");
}

async function store(page, name, text) {
  await page.setInputFiles("#upload-file", { name, mimeType: "text/plain", buffer: Buffer.from(text) });
  const proposed = await page.inputValue("#upload-title");
  await page.click("#upload-button");
  return proposed;
}

const isListed = (page, title, wanted) => until(page, `${title} is ${wanted ? "" : "not "}listed`, 15, ({ title, wanted }) =>
  wanted === [...document.querySelectorAll("#titles .title")].some((name) => name.textContent === title), { title, wanted });

async function drive(page) {
  await page.goto(url, { waitUntil: "load", timeout: 15_000 });
  await says(page, "Not logged in: reading only");
  let found = await able(page);
  check(!found.upload, "a stranger cannot upload", found);
  const status = await page.evaluate(async () => (await fetch("/v/films/a", { method: "PUT", body: "x" })).status);
  check(status === 401, "nor by a request of the page", status);

  await logIn(page, `rain_${"0".repeat(64)}`);
  await until(page, "a wrong token is refused, and it is said so", 10, () =>
    /Not logged in: .*no token/.test(document.querySelector("#login-problem").textContent));
  await page.click("#login-cancel");

  await logIn(page, token);
  await says(page, "paul (publisher of films/\u2026)");
  const field = await page.inputValue("#login-token");
  check(field === "", "the form keeps no token", field);
  found = await able(page);
  check(found.upload, "who is logged in can upload", found);
  const proposed = await store(page, "a.txt", "content");
  check(proposed === "films/a.txt", "the form proposes a title in scope", proposed);
  await isListed(page, "films/a.txt", true);
  found = await able(page);
  check(found.remove.length === 1 && found.remove[0], "and delete what is in scope", found);
  await page.screenshot({ path: join(directory, "login.png"), fullPage: true });

  const kept = await page.evaluate(() => [document.cookie, ...Object.values(localStorage), ...Object.values(sessionStorage)].join());
  check(kept === "", "no script can read what proves it", kept);
  const cookies = await page.context().cookies();
  check(cookies.length === 1 && cookies[0].httpOnly && cookies[0].sameSite === "Strict" && !cookies[0].value.includes(token),
    "the cookie is for this site alone, and not the token", cookies);
  await page.reload({ waitUntil: "load" });
  await says(page, "paul (publisher of films/\u2026)");

  await isListed(page, "films/a.txt", true);
  await page.getByRole("button", { name: "Delete films/a.txt" }).click();
  await page.locator("#confirm").getByRole("button", { name: "Delete" }).click();
  await isListed(page, "films/a.txt", false);
  await store(page, "b.txt", "content");
  await isListed(page, "films/b.txt", true);

  await page.click("#log-out");
  await says(page, "Not logged in: reading only");
  found = await able(page);
  check(!found.upload && found.remove.length === 1 && !found.remove[0], "who has logged out cannot change anything", found);
  const left = await page.context().cookies();
  check(left.length === 0, "the cookie is gone", left);
}

const [url, directory, file, ...rest] = process.argv.slice(2);
if (!url || !directory || !file || rest.length > 0) {
  console.error("use: node login.mjs URL DIRECTORY TOKEN_FILE");
  process.exit(2);
}
const token = readFileSync(file, "utf8").trim();
// The browser complains of each refusal by itself.
await run(directory, drive, (text) => /status of 401 .*(films\/a|api\/v1\/login)\)$/.test(text));
