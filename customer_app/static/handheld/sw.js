/* The handheld's page opens without a network. The server writes VERSION and SHELL above this line. */
/* global VERSION, SHELL */

const PAGE = "/handheld";
const PATIENCE_MS = 4000;

self.addEventListener("install", (event) => {
  event.waitUntil(
    (async () => {
      const cache = await caches.open(VERSION);
      await cache.addAll(SHELL.map((address) => new Request(address, { cache: "reload" })));
      const page = await fetch(PAGE, { credentials: "same-origin", redirect: "manual" });
      if (page.ok) await cache.put(PAGE, page);
      await self.skipWaiting();
    })(),
  );
});

self.addEventListener("activate", (event) => {
  event.waitUntil(
    (async () => {
      // The page of the version before stays until there is a new one: never leave a reader without a page.
      const cache = await caches.open(VERSION);
      for (const name of await caches.keys()) {
        if (name === VERSION || !name.startsWith("handheld-")) continue;
        const page = await (await caches.open(name)).match(PAGE);
        if (page && !(await cache.match(PAGE))) await cache.put(PAGE, page);
        await caches.delete(name);
      }
      await self.clients.claim();
    })(),
  );
});

self.addEventListener("fetch", (event) => {
  const address = new URL(event.request.url);
  if (address.origin !== location.origin || event.request.method !== "GET") return;
  if (address.pathname === PAGE && event.request.mode === "navigate") event.respondWith(page(event.request));
  else if (address.pathname.startsWith("/static/")) event.respondWith(file(event.request));
});

/* The page of the network if it comes soon, else the one kept. An ended session leads to the sign-in, as everywhere. */
async function page(request) {
  const cache = await caches.open(VERSION);
  const kept = await cache.match(PAGE);
  const asked = fetch(request).then(async (answer) => {
    if (answer.ok && answer.type === "basic") await cache.put(PAGE, answer.clone());
    return answer;
  });
  if (!kept) return asked;
  const late = new Promise((resolve) => setTimeout(() => resolve(kept.clone()), PATIENCE_MS));
  const good = asked.then((answer) => (answer.status >= 500 ? kept.clone() : answer));
  return Promise.race([good, late]).catch(() => kept.clone());
}

async function file(request) {
  const cache = await caches.open(VERSION);
  const address = new URL(request.url);
  // A module names its neighbours without the fingerprint.
  const kept = (await cache.match(request)) ?? (address.search ? undefined : await cache.match(request, { ignoreSearch: true }));
  if (kept) return kept;
  try {
    return await fetch(request);
  } catch (error) {
    const older = await cache.match(request, { ignoreSearch: true });
    if (older) return older;
    throw error;
  }
}
