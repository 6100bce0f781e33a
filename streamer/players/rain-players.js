// For pages with players: the worker that goes on at another node, and what players are to be told where there is none.

/** A worker that was there before takes a page in at once, or not at all. */
const CLAIM_MS = 2000;

/**
 * Registers /rain-sw.js, and waits until it answers for this page. False where the browser lets no worker in: a page that is
 * neither https nor localhost, or one that was loaded anew without it.
 */
export async function connect() {
  if (!("serviceWorker" in navigator)) return false;
  const workers = navigator.serviceWorker;
  await workers.register("/rain-sw.js");
  const { active } = await workers.ready;
  if (workers.controller === null) {
    const taken = new Promise((done) => workers.addEventListener("controllerchange", done, { once: true }));
    active.postMessage("claim");
    await Promise.race([taken, new Promise((done) => setTimeout(done, CLAIM_MS))]);
  }
  return workers.controller !== null;
}

/** Tells `listener` the origin of the node that answers, now and whenever it is another. Only where there is the worker. */
export function followNode(listener) {
  navigator.serviceWorker.addEventListener("message", ({ data }) => {
    if (data?.node) listener(data.node);
  });
  navigator.serviceWorker.startMessages();
  navigator.serviceWorker.controller?.postMessage("node");
}

const atOnce = { maxNumRetry: 0, retryDelayMs: 0, maxRetryDelayMs: 0 };
const policy = {
  default: { maxTimeToFirstByteMs: 1000, maxLoadTimeMs: 20_000, timeoutRetry: atOnce, errorRetry: atOnce },
};

/** For `new Hls(...)`: a node that is silent for a second is left. */
export const hls = { fragLoadPolicy: policy, playlistLoadPolicy: policy, manifestLoadPolicy: policy };

/** For `player.updateSettings(...)` of dash.js. It holds about two seconds less than its goal of the buffer. */
export const dash = {
  streaming: {
    fragmentRequestTimeout: 1000,
    blacklistExpiryTime: 4000,
    retryAttempts: { MediaSegment: 0, InitializationSegment: 0 },
  },
};

const retryParameters = {
  connectionTimeout: 1000, stallTimeout: 1000, timeout: 4000, baseDelay: 50, maxAttempts: 4,
};

/** For `player.configure(...)` of Shaka: each attempt takes the next node. */
export const shaka = { streaming: { retryParameters }, manifest: { retryParameters } };
