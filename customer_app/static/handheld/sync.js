/* Sending: once, in batches, by one tab at a time. What the server has not answered for is sent again; it knows the ids. */

import * as store from "./store.js";

const BATCH = 50;
const TIMEOUT_MS = 20000;

export class Away extends Error {}
export class SessionEnded extends Error {}

export async function ask(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, {
      ...options,
      headers: { Accept: "application/json", ...options.headers },
      credentials: "same-origin",
      redirect: "manual",
      cache: "no-store",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  } catch (error) {
    throw new Away(String(error));
  }
  if (answer.status === 401 || answer.status === 403 || answer.type === "opaqueredirect") throw new SessionEnded();
  if (!answer.ok) throw new Away(`${path} answered ${answer.status}`);
  return answer.json();
}

/* Send all that waits; resolves to what became of it. At most one runs in all tabs of this browser. */
export function sendAll(told) {
  const work = () => send(told);
  return navigator.locks ? navigator.locks.request("suiden-handheld-send", work) : work();
}

async function send(told) {
  const found = [];
  // The page may be from the browser's memory and its token old: ask for the one of today's session.
  const session = await ask("/api/handheld/session");
  for (;;) {
    const batch = (await store.waiting()).sort((a, b) => a.number - b.number).slice(0, BATCH);
    if (!batch.length) return found;
    const answer = await ask("/api/handheld/entries", {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-CSRF-Token": session.csrf_token },
      body: JSON.stringify({ entries: batch.map(toWire) }),
    });
    await store.keepOutcomes(answer.outcomes, new Date().toISOString());
    found.push(...answer.outcomes);
    told();
    if (!answer.outcomes.length) throw new Away("the server answered for none of the entries");
  }
}

function toWire({ entry_id, serial, read_at, register, note, reason_code, entered_at }) {
  return { entry_id, serial, read_at, register, note, reason_code, entered_at };
}
