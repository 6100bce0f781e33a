// Who the page is to the node that it comes from, and what that lets it do; logging in and out.
//
// The token that is typed is exchanged for a cookie that no script can read, and is kept nowhere. What is not allowed is
// greyed here so that nobody tries in vain; whether it is allowed, the node decides.

import { at, notice, withdraw, write } from "./dom.js";
import { errorText } from "./format.js";
import { known } from "./state.js";

const WITHIN_MS = 5000;

/** Called when the page is somebody else to its node. */
let changed = () => {};

async function send(path, body) {
  const response = await fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(WITHIN_MS),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(errorText(response.status, text));
  return JSON.parse(text);
}

const problemText = (error) => (error instanceof TypeError || error.name === "TimeoutError"
  ? `${location.host} does not answer` : error.message);

function note(caller) {
  const differs = JSON.stringify(caller) !== JSON.stringify(known.caller);
  known.caller = caller;
  if (differs) changed();
}

/** Asks who the page is. Where nobody answers, that stays what it was. */
export async function askCaller() {
  try {
    const response = await fetch("/api/v1/caller", { cache: "no-store", signal: AbortSignal.timeout(WITHIN_MS) });
    if (response.ok) note(await response.json());
  } catch {
    // That the origin is silent, the cluster's question says.
  }
}

function callerText({ name, role, prefix }) {
  if (name === "loopback") return "On this machine: everything is allowed";
  if (name === "stranger") return "Not logged in: reading only";
  return prefix === "" ? `${name} (${role})` : `${name} (${role} of ${prefix}\u2026)`;
}

export function drawCaller() {
  const { caller } = known;
  at("caller").hidden = caller === null;
  if (caller === null) return;
  write(at("caller-text"), callerText(caller));
  at("log-in").hidden = caller.login || caller.name === "loopback";
  at("log-out").hidden = !caller.login;
}

async function logIn() {
  const field = at("login-token");
  const token = field.value;
  field.value = "";
  at("login-button").disabled = true;
  try {
    note(await send("/api/v1/login", { token }));
    withdraw("caller");
    at("login").close();
  } catch (error) {
    write(at("login-problem"), `Not logged in: ${problemText(error)}`);
    field.focus();
  }
  at("login-button").disabled = false;
}

async function logOut() {
  try {
    await send("/api/v1/logout", {});
  } catch (error) {
    notice("caller", `Not logged out: ${problemText(error)}`);
  }
  await askCaller();
}

/** Watches the form and its buttons; `onChange` is called whenever the page has become somebody else. */
export function watchCaller(onChange) {
  changed = onChange;
  at("log-in").addEventListener("click", () => {
    write(at("login-problem"), "");
    at("login").showModal();
  });
  at("login-form").addEventListener("submit", (event) => {
    event.preventDefault();
    logIn();
  });
  at("login-cancel").addEventListener("click", () => at("login").close());
  at("login").addEventListener("close", () => { at("login-token").value = ""; });
  at("log-out").addEventListener("click", logOut);
}
