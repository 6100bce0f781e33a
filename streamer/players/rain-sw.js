// A service worker that lets no player of a page notice the loss of a node: every node has the same bytes, so what one of
// them does not send is asked of the next, from the byte at which it stopped.
//
// A page registers it by `connect()` of /rain-players.js. It needs https or localhost.

/** A node from which nothing comes for so long is left for the next; each round of all nodes waits twice as long. */
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
/** The one that answered last; null before the first. */
let first = null;

/** Browsers end a worker that has nothing to do: the next one may begin when the page's own node is gone. */
let isReady = false;
const ready = recallNodes().finally(() => { isReady = true; });

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim().then(learnNodes)));
self.addEventListener("message", (event) => {
  if (event.data === "claim") event.waitUntil(self.clients.claim());
  else event.source?.postMessage({ node: first });
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
  if (node === first) return;
  first = node;
  for (const page of await self.clients.matchAll()) page.postMessage({ node });
}

/** The nodes in the order in which they are asked for a URL. */
function inOrder(url) {
  if (performance.now() - nodesAskedAt > NODES_EVERY_MS) learnNodes();
  const begin = first ?? url.origin;
  return [begin, ...nodes.filter((node) => node !== begin)];
}

/** Lets a promise take so long, and aborts what it waits for where it takes longer. */
function within(ms, controller, promise) {
  let timer;
  const late = new Promise((_, refuse) => {
    timer = setTimeout(() => {
      refuse(new Error(`silent for ${ms} ms`));
      controller.abort();
    }, ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/**
 * Asks one node after the other, until one answers with something that is to be used. `use` is given the response, a controller
 * that ends it, and how long to wait for more of it; where it throws, the next node is asked.
 */
async function ask(url, headers, cancelled, use) {
  let refused = null;
  for (let round = 0; round < ROUNDS; round += 1) {
    const patience = SILENCE_MS * 2 ** round;
    for (const node of inOrder(url)) {
      if (cancelled()) throw new DOMException("nobody waits for it", "AbortError");
      const controller = new AbortController();
      try {
        const asked = fetch(node + url.pathname + url.search, { headers, signal: controller.signal });
        const response = await within(patience, controller, asked);
        if (response.status >= 500) {
          refused = response;
          continue;
        }
        const used = await use(response, controller, patience);
        note(node);
        return used;
      } catch {
        controller.abort();
      }
    }
    if (refused !== null) return refused;
  }
  return Response.error();
}

function answer(url, request) {
  const headers = request.headers.has("range") ? { range: request.headers.get("range") } : {};
  const cancelled = () => request.signal.aborted;
  // What nodes say each in its own way is asked for as a whole.
  const use = isSame(url.pathname) ? (response, ...rest) => follow(url, response, ...rest) : whole;
  return ask(url, headers, cancelled, use);
}

const copied = (response, body) => {
  const { status, statusText, headers } = response;
  return new Response([204, 304].includes(status) ? null : body, { status, statusText, headers });
};

async function whole(response, controller, patience) {
  return copied(response, await within(patience, controller, response.arrayBuffer()));
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
async function follow(url, response, controller, patience) {
  const left = extent(response);
  if (left === null) return whole(response, controller, patience);
  let reader = response.body.getReader();
  let isCancelled = false;

  /** Goes on at the byte where it stopped: at a node that has the same content, or not at all. */
  const resume = () => ask(url, { range: `bytes=${left.at}-${left.end - 1}` }, () => isCancelled,
    async (response, next) => {
      if (response.status !== 206 || response.headers.get("etag") !== left.tag) throw new Error("another content");
      controller = next;
      reader = response.body.getReader();
      return response;
    });

  /** The next bytes; null where this node has no more. */
  const read = async () => {
    try {
      const { done, value } = await within(SILENCE_MS, controller, reader.read());
      return done ? null : value;
    } catch {
      return null;
    }
  };

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
        if (isCancelled || (await resume()).status !== 206) break;
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
