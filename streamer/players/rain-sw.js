// A service worker that lets no player of a page notice the loss of a node: every node has the same bytes, so what one of
// them does not send is asked of the next, from the byte at which it stopped.
//
// A page registers it by `connect()` of /rain-players.js. It needs https or localhost.

/** Where nothing comes from a node for so long, the next is asked; each round of all nodes waits twice as long. */
const SILENCE_MS = 600;
/** So many rounds without a byte are the end of it. */
const ROUNDS = 5;
const CONDITIONS = ["if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "if-range"];
/** How often the nodes are asked for. */
const NODES_EVERY_MS = 10_000;
const NODES = "/api/v1/nodes.json";
/** The cache that holds what was last told of the nodes. */
const KEPT = "rain-nodes";

/** Origins of all nodes, as far as they are known. */
let nodes = [self.location.origin];
let nodesAskedAt = -Infinity;
/** The one that is asked first: it answered last. Null before the first. */
let first = null;
/** The one of which the pages were told. */
let told = null;

/** Browsers end a worker that has nothing to do: the next one may begin when the page's own node is gone. */
let isReady = false;
const ready = recallNodes().finally(() => { isReady = true; });

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim().then(learnNodes)));
self.addEventListener("message", (event) => {
  if (event.data === "claim") event.waitUntil(self.clients.claim());
  else event.source?.postMessage({ node: told });
});
self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  // What a media element loads by itself passes, as browsers that play HLS do not start through a worker; but not where the
  // page says that it is to.
  const isElement = ["video", "audio"].includes(request.destination) && !url.searchParams.has("worker");
  // Headers of conditions would have browsers ask other nodes for their leave first.
  const isPlain = request.method === "GET" && !CONDITIONS.some((name) => request.headers.has(name));
  if (!isPlain || isElement || !isMedia(url.pathname)) return;
  if (!isReady) {
    event.respondWith(ready.then(() => (nodes.includes(url.origin) ? answer(url, request) : fetch(request))));
  } else if (nodes.includes(url.origin)) {
    event.respondWith(answer(url, request));
  }
});

const isMedia = (path) => /^\/(s\/[^/]+\/)?[pv]\//.test(path);

/** Whether it is the same on every node: a title, or what is below the edition of one. */
const isSame = (path) => /^\/(s\/[^/]+\/)?(v\/|p\/[^/]+\/[0-9a-f]{16}\/)/.test(path);

/** Learns of all nodes from the page's own; keeps what is known where it does not answer. */
async function learnNodes() {
  nodesAskedAt = performance.now();
  try {
    const response = await fetch(NODES, { signal: AbortSignal.timeout(SILENCE_MS) });
    await noteNodes(response.clone());
    await (await caches.open(KEPT)).put(NODES, response);
  } catch {
    // The others are asked as they were known.
  }
}

/** What an earlier worker had learnt. */
async function recallNodes() {
  try {
    const kept = await (await caches.open(KEPT)).match(NODES);
    if (kept !== undefined) await noteNodes(kept);
  } catch {
    // Nothing is kept, or it cannot be read: the page's own node is known.
  }
}

/** The page's own origin may be another name of theirs: then it is asked last. */
async function noteNodes(response) {
  const origins = (await response.json()).map((node) => new URL(node.http).origin);
  nodes = [...new Set([...origins, self.location.origin])];
}

/** Notes who answered, and tells the pages where it is another one. */
async function note(node) {
  first = node;
  if (node === told) return;
  told = node;
  for (const page of await self.clients.matchAll()) page.postMessage({ node });
}

/** Notes who is silent: whoever asks for something else meanwhile begins with the next. */
function leave(node) {
  if (first === null || first === node) first = nodes[(nodes.indexOf(node) + 1) % nodes.length];
}

/** The nodes in the order in which they are asked for a URL. */
function inOrder(url) {
  if (performance.now() - nodesAskedAt > NODES_EVERY_MS) learnNodes();
  const begin = first ?? url.origin;
  return [begin, ...nodes.filter((node) => node !== begin)];
}

/** What a promise comes to; null where that takes longer. */
function within(ms, promise) {
  let timer;
  const late = new Promise((done) => { timer = setTimeout(() => done(null), ms); });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/**
 * Asks one node after the other, the next one as soon as those before are silent or fail, until one answers with something that
 * is to be used: the others are heard no longer. `use` throws where it is not.
 */
async function ask(url, headers, cancelled, use) {
  let refused = null;
  for (let round = 0; round < ROUNDS; round += 1) {
    const asked = [];
    let used = null;
    const drop = (but) => asked.forEach(({ controller }) => { if (controller !== but) controller.abort(); });
    // One that answers after all is used, though the next was asked.
    const answered = () => Promise.any(asked.map(({ answer }) => answer)).catch(() => null);
    const settle = async (promise) => {
      used = await within(SILENCE_MS * 2 ** round, promise);
      if (used === null) return false;
      drop(used.controller);
      note(used.node);
      return true;
    };
    for (const node of inOrder(url)) {
      if (cancelled()) {
        drop();
        throw new DOMException("nobody waits for it", "AbortError");
      }
      const one = startAsking(node, url, headers, use);
      asked.push(one);
      const failed = one.answer.then(() => new Promise(() => {}), () => null);
      if (await settle(Promise.race([answered(), failed]))) return used;
      refused = one.refused ?? refused;
      leave(node);
    }
    if (await settle(answered())) return used;
    drop();
    if (refused !== null) return { response: copied(refused, refused.body) };
  }
  return { response: Response.error() };
}

/** Asks a node. `answer` fails where it is to be left; `refused` is what it said then. */
function startAsking(node, url, headers, use) {
  const one = { controller: new AbortController(), refused: null };
  one.answer = fetch(node + url.pathname + url.search, { headers, signal: one.controller.signal }).then(async (response) => {
    if (response.status >= 500) {
      one.refused = response;
      throw new Error(`${node} answers ${response.status}`);
    }
    return { node, controller: one.controller, response: await use(response) };
  });
  return one;
}

async function answer(url, request) {
  const headers = request.headers.has("range") ? { range: request.headers.get("range") } : {};
  // What nodes say each in its own way is asked for as a whole.
  const use = isSame(url.pathname) ? (response) => response : whole;
  const used = await ask(url, headers, () => request.signal.aborted, use);
  return isSame(url.pathname) && used.node ? follow(url, used) : used.response;
}

const copied = (response, body) => {
  const { status, statusText, headers } = response;
  return new Response([204, 304].includes(status) ? null : body, { status, statusText, headers });
};

async function whole(response) {
  return copied(response, await response.arrayBuffer());
}

/** The first and the last byte that a response has of a content, and the content's tag; null where they are not told. */
function extent(response) {
  const tag = response.headers.get("etag");
  const part = /^bytes (\d+)-(\d+)\//.exec(response.headers.get("content-range") ?? "");
  const length = response.headers.get("content-length");
  if (tag === null || (response.status === 206 && part === null) || length === null) return null;
  if (response.status === 206) return { tag, at: Number(part[1]), end: Number(part[2]) + 1 };
  return response.status === 200 ? { tag, at: 0, end: Number(length) } : null;
}

/** A response whose body goes on at the next node where one stops. */
function follow(url, { node, controller, response }) {
  const left = extent(response);
  if (left === null) return copied(response, response.body);
  let reader = response.body.getReader();
  let isCancelled = false;

  /** Goes on at the byte where it stopped: at a node that has the same content, or not at all. */
  async function resume() {
    controller.abort();
    leave(node);
    const range = { range: `bytes=${left.at}-${left.end - 1}` };
    const next = await ask(url, range, () => isCancelled, (response) => {
      if (response.status !== 206 || response.headers.get("etag") !== left.tag) throw new Error("another content");
      return response;
    });
    if (!next.node) return false;
    ({ node, controller } = next);
    reader = next.response.body.getReader();
    return true;
  }

  /** The next bytes; null where this node has no more. */
  async function read() {
    const { done, value } = await within(SILENCE_MS, reader.read().catch(() => null)) ?? { done: true };
    return done ? null : value;
  }

  const body = new ReadableStream({
    async pull(stream) {
      for (let tries = 0; left.at < left.end && tries < ROUNDS; tries += 1) {
        const bytes = await read();
        if (bytes !== null) {
          left.at += bytes.length;
          stream.enqueue(bytes);
          if (left.at === left.end) stream.close();
          return;
        }
        if (isCancelled || !(await resume())) break;
      }
      if (left.at < left.end) stream.error(new TypeError("no node has the rest"));
      else stream.close();
    },
    cancel() {
      isCancelled = true;
      controller.abort();
    },
  }, { highWaterMark: 0 });
  return copied(response, body);
}
