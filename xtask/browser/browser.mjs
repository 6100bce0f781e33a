// What the checks of the console share: a browser that is there for them alone, and saying what holds.

import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

export const VIEWPORT = { width: 1440, height: 1000 };

const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--autoplay-policy=no-user-gesture-required",
];

export class CheckFailed extends Error {}

export function check(condition, what, found) {
  if (!condition) throw new CheckFailed(`${what}: found ${JSON.stringify(found)}`);
  console.log(`ok: ${what}`);
}

/** Waits until a question to the page is answered with something true; the answer. */
export async function until(page, what, seconds, question, argument) {
  try {
    const handle = await page.waitForFunction(question, argument, { timeout: seconds * 1000, polling: 50 });
    console.log(`ok: ${what}`);
    return await handle.jsonValue();
  } catch (error) {
    if (error.name !== "TimeoutError") throw error;
    throw new CheckFailed(`${what}: not within ${seconds} s`);
  }
}

/**
 * Gives `drive` a page of a fresh browser, Chromium at $CHROMIUM or /usr/bin/chromium, and checks that nothing but what
 * `isExpected` says is complained of in its console. Where a check fails, `failure.png` is left in the directory.
 */
async function withPage(directory, drive, isExpected) {
  mkdirSync(directory, { recursive: true });
  const executablePath = process.env.CHROMIUM || "/usr/bin/chromium";
  if (!existsSync(executablePath)) throw new CheckFailed(`there is no browser at ${executablePath}`);
  const profile = mkdtempSync(join(tmpdir(), "rain-browser-"));
  let context = null;
  try {
    const options = { executablePath, args: FLAGS, viewport: VIEWPORT, colorScheme: "dark" };
    context = await chromium.launchPersistentContext(profile, options);
    const page = context.pages()[0] ?? await context.newPage();
    const complaints = [];
    page.on("pageerror", (error) => complaints.push(error.message));
    page.on("console", (message) => {
      const text = `${message.text()} (${message.location().url})`;
      if (message.type() === "error" && !isExpected(text)) complaints.push(text);
    });
    try {
      await drive(page);
      check(complaints.length === 0, "no errors in the browser's console", complaints);
    } catch (error) {
      await page.screenshot({ path: join(directory, "failure.png"), fullPage: true }).catch(() => {});
      if (complaints.length > 0) console.error(`the browser's console: ${complaints.join("; ")}`);
      throw error;
    }
  } finally {
    await context?.close();
    rmSync(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
}

/** Runs checks to the end of the process: exits 0 when all hold, else 1 with the reason. */
export async function run(directory, drive, isExpected = () => false) {
  try {
    await withPage(directory, drive, isExpected);
    console.log("the console holds");
  } catch (error) {
    console.error(error instanceof CheckFailed ? `failed: ${error.message}` : error);
    process.exit(1);
  }
}
