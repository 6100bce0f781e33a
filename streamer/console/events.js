// Following /api/v1/events. Read by hand and not by EventSource, which would hide the server's comments: they tell a
// quiet server from a silent one.

/** A server that says nothing for so long is asked anew. */
const SILENCE_MS = 3000;
const RETRY_MS = 500;

/** When something last came, as `performance.now()` has it. */
let heard = -Infinity;

/** Whether events come. */
export const isLive = () => performance.now() - heard < SILENCE_MS;

/** Cuts a text into events and what is left of the last one: `[[name, data], ...], rest`. */
function split(text) {
  const blocks = text.split("\n\n");
  const rest = blocks.pop();
  const events = blocks.flatMap((block) => {
    const fields = block.split("\n").map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)]);
    const { event, data } = Object.fromEntries(fields);
    return event && data ? [[event, JSON.parse(data)]] : [];
  });
  return [events, rest];
}

async function followOnce(handlers) {
  const silence = new AbortController();
  let timer = setTimeout(() => silence.abort(), SILENCE_MS);
  try {
    const response = await fetch("/api/v1/events", { cache: "no-store", signal: silence.signal });
    if (!response.ok) return;
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      heard = performance.now();
      clearTimeout(timer);
      timer = setTimeout(() => silence.abort(), SILENCE_MS);
      let events;
      [events, rest] = split(rest + value);
      for (const [name, data] of events) handlers[name]?.(data);
    }
  } finally {
    clearTimeout(timer);
    silence.abort();
  }
}

/** Follows the events of the page's own origin for good; `handlers` by the events' names, `broken` whenever they end. */
export async function follow(handlers, broken) {
  for (;;) {
    try {
      await followOnce(handlers);
    } catch {
      // Broken off or silent. The cluster is polled until events come again.
    }
    heard = -Infinity;
    broken();
    await new Promise((resolve) => { setTimeout(resolve, RETRY_MS); });
  }
}
