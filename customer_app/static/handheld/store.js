/* What the handheld remembers: the route, the entries, a few facts. It outlives closing the browser. */

const NAME = "suiden-handheld";
const VERSION = 1;

let opened = null;

function open() {
  opened ??= new Promise((resolve, reject) => {
    const asked = indexedDB.open(NAME, VERSION);
    asked.onupgradeneeded = () => {
      const database = asked.result;
      database.createObjectStore("stops", { keyPath: "meter_id" });
      const entries = database.createObjectStore("entries", { keyPath: "entry_id" });
      entries.createIndex("by_state", "state");
      database.createObjectStore("facts", { keyPath: "name" });
    };
    asked.onsuccess = () => {
      asked.result.onversionchange = () => asked.result.close();
      resolve(asked.result);
    };
    asked.onerror = () => reject(asked.error);
  });
  return opened;
}

/* Run `work(store, …)` in one transaction; resolves when it is on the disk, not before. */
async function within(names, mode, work) {
  const database = await open();
  return new Promise((resolve, reject) => {
    const transaction = database.transaction(names, mode, { durability: "strict" });
    let answer;
    transaction.oncomplete = () => resolve(answer instanceof IDBRequest ? answer.result : answer);
    transaction.onerror = () => reject(transaction.error);
    transaction.onabort = () => reject(transaction.error ?? new Error("the handheld's store refused to write"));
    answer = work(...names.map((name) => transaction.objectStore(name)));
  });
}

export const stops = () => within(["stops"], "readonly", (store) => store.getAll());
export const entries = () => within(["entries"], "readonly", (store) => store.getAll());
export const waiting = () => within(["entries"], "readonly", (store) => store.index("by_state").getAll("waiting"));

export async function fact(name) {
  const row = await within(["facts"], "readonly", (store) => store.get(name));
  return row?.content;
}

export function keepFact(name, content) {
  return within(["facts"], "readwrite", (store) => store.put({ name, content }));
}

/* A new route takes the place of the old one; entries are never touched by it. */
export function keepRoute(route) {
  return within(["stops", "facts"], "readwrite", (stopStore, facts) => {
    stopStore.clear();
    for (const stop of route.stops) stopStore.put(stop);
    const { stops: _stops, ...about } = route;
    facts.put({ name: "route", content: about });
  });
}

/* People's names and addresses do not stay on the handheld for ever. */
export function forgetRoute() {
  return within(["stops", "facts"], "readwrite", (stopStore, facts) => {
    stopStore.clear();
    facts.delete("route");
  });
}

export function keepEntry(entry) {
  return within(["entries"], "readwrite", (store) => store.put(entry));
}

/* Write what became of sent entries. One that changed meanwhile (it cannot) is left alone. */
export function keepOutcomes(outcomes, sentAt) {
  return within(["entries"], "readwrite", (store) => {
    for (const { entry_id, outcome, reason } of outcomes) {
      const asked = store.get(entry_id);
      asked.onsuccess = () => {
        const entry = asked.result;
        if (entry?.state === "waiting") store.put({ ...entry, state: outcome, reject_reason: reason, sent_at: sentAt });
      };
    }
  });
}

/* What arrived is kept for some days, to be looked up; what waits or was refused stays until it is dealt with. */
export async function forgetArrivedBefore(limit) {
  const all = await entries();
  const old = all.filter((entry) => ["stored", "duplicate"].includes(entry.state) && entry.sent_at < limit);
  return within(["entries"], "readwrite", (store) => {
    for (const entry of old) store.delete(entry.entry_id);
  });
}
