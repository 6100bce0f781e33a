// The table of titles, uploads and deletions.

import { askCaller } from "./caller.js";
import { at, list, make, mark, notice, withdraw, write } from "./dom.js";
import { count, errorText, sizeText } from "./format.js";
import { choose, drawCell, unload } from "./player.js";
import { known, margin, mayPublish, mayPublishAny, titleUrl } from "./state.js";

const FORBIDDEN = "Not allowed to whoever is not logged in with a token for it";

/** Whoever types is not asked for at each letter. */
const SEARCH_AFTER_MS = 200;

/** Called when titles have changed by this page's doing. */
let changed = async () => {};

export function drawTitles() {
  const { prefix, before, more } = known.page;
  const none = known.titles.length === 0 && known.titlesAnswered > 0;
  at("titles-none").hidden = !none;
  if (none) {
    const behind = before.length > 0 ? "No titles behind those of the page before." : "No titles yet. Upload one.";
    write(at("titles-none"), prefix !== "" ? `No title begins with \u201c${prefix}\u201d.` : behind);
  }
  at("page-before").disabled = before.length === 0;
  at("page-next").disabled = !more;
  write(at("page-text"), before.length > 0 || more ? `Page ${before.length + 1}` : "");
  list(at("titles"), known.titles, (title) => title.title, createRow, (row, title) => {
    const [name, size, code, version, tolerates, columns, remove] = row.children;
    mark(row, "aria-current", String(title.title === known.playing));
    write(name.firstChild, title.title);
    write(size, sizeText(title.bytes));
    mark(size, "title", `${title.bytes.toLocaleString("en")} bytes`);
    write(code, title.code);
    write(version, title.version.split("-")[0]);
    mark(version, "title", `Version ${title.version}`);
    const left = margin(title);
    write(tolerates, left < 0 ? "cannot be read" : left === 0 ? "can lose no more" : `can lose ${count(left, "column")}`);
    mark(tolerates, "data-margin", left < 0 ? "lost" : left === 0 ? "none" : "some");
    const isAllowed = mayPublish(title.title);
    remove.firstChild.disabled = !isAllowed;
    mark(remove.firstChild, "title", isAllowed ? null : FORBIDDEN);
    list(columns.firstChild, title.columns, (column) => column.index, () => make("span", "cell"), drawCell);
  });
}

function createRow(title) {
  const row = make("tr");
  const play = make("button", "title");
  play.type = "button";
  play.setAttribute("aria-label", `Play ${title.title}`);
  play.addEventListener("click", () => choose(title.title));
  const remove = make("button", "quiet", "Delete");
  remove.type = "button";
  remove.setAttribute("aria-label", `Delete ${title.title}`);
  remove.addEventListener("click", () => confirmDeletion(title.title));
  const cells = [play, null, null, null, null, make("div", "cells"), remove].map((content) => {
    const cell = make("td");
    if (content) cell.append(content);
    return cell;
  });
  cells[1].className = "number";
  cells[3].className = "number";
  cells[4].className = "margin";
  row.append(...cells);
  return row;
}

export function drawUpload() {
  const upload = known.upload;
  const isAllowed = mayPublishAny();
  at("upload-progress").hidden = upload === null;
  at("upload-file").disabled = upload !== null || !isAllowed;
  at("upload-title").disabled = upload !== null || !isAllowed;
  const button = at("upload-button");
  button.disabled = upload === null && !isAllowed;
  mark(at("upload"), "title", isAllowed ? null : FORBIDDEN);
  write(button, upload ? "Cancel" : "Upload");
  button.classList.toggle("main", upload === null);
  if (!upload) return;
  at("upload-bar").value = upload.total > 0 ? upload.done / upload.total : 1;
  // The last bytes are sent before they are durable on enough nodes.
  const sent = upload.done >= upload.total;
  write(at("upload-text"), sent ? "storing" : `${sizeText(upload.done)} of ${sizeText(upload.total)}`);
}

/** Sends a request about a title to the page's own origin. Resolves to the error in plain words, or to null. */
function send(method, title, { body = null, progress = () => {}, started = () => {} } = {}) {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    request.open(method, titleUrl(location.origin, title));
    request.upload.addEventListener("progress", (event) => progress(event.loaded));
    request.addEventListener("load", () => {
      const good = request.status >= 200 && request.status < 300;
      // A login may have ended meanwhile.
      if (request.status === 401) askCaller();
      resolve(good ? null : errorText(request.status, request.responseText));
    });
    request.addEventListener("error", () => resolve(`${location.host} does not answer`));
    request.addEventListener("abort", () => resolve("cancelled"));
    started(() => request.abort());
    request.send(body);
  });
}

/** What players are given of a title, in words. */
async function inspected(title) {
  try {
    const response = await fetch(`/api/v1/inspect/${encodeURIComponent(title)}`);
    if (!response.ok) return `Players of HLS and DASH are not given it: ${errorText(response.status, await response.text())}`;
    const { tracks, dropped } = await response.json();
    const given = tracks.map((track) => {
      const about = track.kind === "video"
        ? `${track.width}\u00d7${track.height}, ${track.pictures_per_second.toFixed(2)} pictures/s`
        : `${count(track.channels, "channel")}${track.language ? `, ${track.language}` : ""}`;
      return `${track.codec} (${about}, ${Math.round(track.bits_per_second / 1000)} kbit/s)`;
    });
    const without = dropped.map(({ id, entry, why }) => `track ${id}, ${entry}: ${why}`);
    return `Players are given ${given.join(", ")}${without.length > 0 ? `; left out is ${without.join("; ")}` : ""}.`;
  } catch {
    return "";
  }
}

async function upload(file, title) {
  withdraw("upload");
  const state = { title, done: 0, total: file.size, abort: () => {} };
  known.upload = state;
  drawUpload();
  const problem = await send("PUT", title, {
    body: file,
    progress: (done) => {
      state.done = Math.min(done, state.total);
      drawUpload();
    },
    started: (abort) => { state.abort = abort; },
  });
  known.upload = null;
  if (problem === null) {
    const media = /^(video|audio)\//.test(file.type) ? ` ${await inspected(title)}` : "";
    notice("upload", `${title} is stored (${sizeText(file.size)}).${media}`, "done");
    at("upload").reset();
    await changed();
  } else {
    notice("upload", `${title} was not stored: ${problem}`);
  }
  drawUpload();
}

/** Watches what chooses the page; `onChange` is called for another one. */
export function watchPages(onChange) {
  const turn = async (page) => {
    known.page = { ...known.page, more: false, ...page };
    await onChange();
    at("titles").closest(".scroll").scrollTop = 0;
  };
  at("page-before").addEventListener("click", () => turn({ before: known.page.before.slice(0, -1) }));
  at("page-next").addEventListener("click", () => {
    const last = known.titles.at(-1);
    if (last) turn({ before: [...known.page.before, last.title] });
  });
  let waiting = null;
  at("search").addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => turn({ prefix: at("search").value, before: [] }), SEARCH_AFTER_MS);
  });
}

/** Watches the form; `onChange` is called after every change of the titles. */
export function watchUpload(onChange) {
  changed = onChange;
  at("upload-file").addEventListener("change", (event) => {
    const [file] = event.target.files;
    if (file) at("upload-title").value = `${known.caller?.prefix ?? ""}${file.name}`;
  });
  at("upload").addEventListener("submit", (event) => {
    event.preventDefault();
    if (known.upload) {
      known.upload.abort();
      return;
    }
    const [file] = at("upload-file").files;
    upload(file, at("upload-title").value);
  });
}

async function confirmDeletion(title) {
  const dialog = at("confirm");
  write(at("confirm-text"), `Delete ${title} from every node? It cannot be brought back.`);
  dialog.returnValue = "no";
  dialog.showModal();
  await new Promise((resolve) => { dialog.addEventListener("close", resolve, { once: true }); });
  if (dialog.returnValue !== "yes") return;
  const problem = await send("DELETE", title);
  if (problem === null) {
    notice("delete", `${title} is deleted`, "done");
    if (known.playing === title) unload();
    await changed();
  } else {
    notice("delete", `${title} was not deleted: ${problem}`);
  }
}
