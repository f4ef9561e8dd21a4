/* The handheld's page: a list of meters to read, a keypad, and what still waits to be sent. */

import * as checks from "./checks.js";
import * as store from "./store.js";
import { Away, SessionEnded, ask, sendAll } from "./sync.js";

const words = JSON.parse(document.getElementById("words").textContent);
const locale = document.body.dataset.locale;
const RETRY_MS = 15000;
const KEPT_DAYS = 14;
const SHOWN = 60;

const $ = (id) => document.getElementById(id);
const say = (name, parameters = {}) => words[name].replace(/\{(\w+)\}/g, (_, key) => parameters[key] ?? "");
const number = (text) => {
  const [whole, fraction] = text.split(".");
  return new Intl.NumberFormat(locale).format(BigInt(whole || "0")) + (fraction === undefined ? "" : `.${fraction}`);
};
const fold = (text) =>
  text
    .normalize("NFKC")
    .toLowerCase()
    .replace(/[\u3041-\u3096]/g, (letter) => String.fromCharCode(letter.charCodeAt(0) + 0x60))
    .replace(/[\s\-・._]/g, "");

let stops = [];
let entries = new Map(); // meter_id -> newest entry
let show = "left";
let current = null;
let typed = "";
let reason = "";
let ended = false;

/* ---- the list */

async function refresh() {
  const [allStops, allEntries, route] = await Promise.all([store.stops(), store.entries(), store.fact("route")]);
  const known = [...allEntries].sort((a, b) => a.number - b.number);
  stops = allStops.sort((a, b) => a.number - b.number);
  entries = new Map(known.map((entry) => [entry.meter_id, entry]));
  const trouble = known.filter((entry) => entry.state === "rejected" && entries.get(entry.meter_id) === entry);
  $("waiting-count").textContent = known.filter((entry) => entry.state === "waiting").length;
  $("trouble-count").textContent = trouble.length ? `(${trouble.length})` : "";
  $("send").hidden = !known.some((entry) => entry.state === "waiting");
  $("line").classList.toggle("has-waiting", !$("send").hidden);
  const done = stops.filter((stop) => isRead(stop)).length;
  $("done-bar").max = Math.max(1, stops.length);
  $("done-bar").value = done;
  $("done-text").textContent = `${done} / ${stops.length}`;
  if (route) $("district").value = route.district;
  $("route-age").textContent = route ? say("route_from", { at: when(route.loaded_at) }) : "";
  drawList();
}

function isRead(stop) {
  const entry = entries.get(stop.meter_id);
  return Boolean(entry) && entry.state !== "rejected";
}

function wanted() {
  const text = fold($("find").value);
  if (text) return stops.filter((stop) => stop.folded.includes(text));
  if (show === "done") return stops.filter(isRead).sort((a, b) => entries.get(b.meter_id).number - entries.get(a.meter_id).number);
  if (show === "trouble") return stops.filter((stop) => entries.get(stop.meter_id)?.state === "rejected");
  return stops.filter((stop) => !isRead(stop));
}

function drawList() {
  const found = wanted();
  $("stops").replaceChildren(...found.slice(0, SHOWN).map(row));
  const empty = $("nothing");
  empty.hidden = found.length > 0;
  empty.textContent = stops.length ? say($("find").value ? "none_found" : show === "left" ? "all_read" : "none_here") : say("no_route");
  for (const button of document.querySelectorAll("[data-show]")) {
    button.setAttribute("aria-pressed", String(button.dataset.show === show));
  }
}

function row(stop) {
  const entry = entries.get(stop.meter_id);
  const button = make("button", "stop");
  button.type = "button";
  button.dataset.meter = stop.meter_id;
  button.append(
    make("span", `service ${stop.service}`, say(stop.service)),
    make("span", "stop-address", stop.address),
    make("span", "stop-who", [stop.kana, stop.name].filter(Boolean).join(" ")),
    make("span", "stop-number", `${stop.point_number} · ${stop.serial}`),
  );
  if (entry) button.append(state(entry, stop));
  else if (stop.message) button.append(make("span", "stop-state warn", stop.message));
  button.addEventListener("click", () => openStop(stop));
  const item = document.createElement("li");
  item.append(button);
  return item;
}

function state(entry, stop) {
  const value = `${number(checks.toText(entry.register, stop))} ${stop.unit_sign}`;
  if (entry.state === "rejected") {
    return make("span", "stop-state bad", `${value} · ${say("rejected")}: ${words[`reject_${entry.reject_reason}`] ?? entry.reject_reason ?? ""}`);
  }
  return make("span", `stop-state ${entry.state === "waiting" ? "warn" : "good"}`, `${value} · ${say(entry.state)}`);
}

function make(tag, className, text = "") {
  const element = document.createElement(tag);
  element.className = className;
  element.textContent = text;
  return element;
}

function when(text) {
  return new Intl.DateTimeFormat(locale, { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" }).format(new Date(text));
}

/* ---- one meter */

function openStop(stop) {
  current = stop;
  typed = "";
  reason = "";
  $("entry-address").textContent = stop.address;
  $("entry-who").textContent = [stop.kana, stop.name].filter(Boolean).join(" ");
  $("entry-point").textContent = stop.point_number;
  $("entry-serial").textContent = stop.serial;
  $("entry-message").hidden = !stop.message;
  $("entry-message").textContent = stop.message;
  const text = (register) => number(checks.toText(register, stop).split(".")[0]);
  $("entry-last").textContent = stop.last_register === null ? "–" : `${number(checks.toText(stop.last_register, stop))} ${stop.unit_sign}`;
  $("entry-expected").textContent = stop.last_register === null ? "–" : `${text(stop.expected_low)}–${text(stop.expected_high)}`;
  $("unit").textContent = stop.unit_sign;
  $("note").value = "";
  $("doubt").hidden = true;
  $("list-view").hidden = true;
  $("entry-view").hidden = false;
  document.body.classList.add("is-typing");
  history.pushState({ meter: stop.meter_id }, "");
  drawTyped();
  scrollTo(0, 0);
  $("dial").focus({ preventScroll: true });
}

function closeStop() {
  current = null;
  $("entry-view").hidden = true;
  $("list-view").hidden = false;
  document.body.classList.remove("is-typing");
  drawList();
}

function drawTyped() {
  $("typed").textContent = typed ? number(typed) : "";
  $("dial").classList.toggle("is-empty", !typed);
  $("save").disabled = !typed;
}

function press(key) {
  if (!current || !$("doubt").hidden) return;
  if (key === "back") typed = typed.slice(0, -1);
  else if (key === "." && (typed.includes(".") || !typed || current.scale >= 0)) return;
  else {
    const next = typed + key;
    if (key !== "." && checks.toRegister(next, current) === null) {
      navigator.vibrate?.(60);
      return;
    }
    typed = next;
  }
  drawTyped();
}

async function save() {
  if (!current || !typed) return;
  const register = checks.toRegister(typed.replace(/\.$/, ""), current);
  if (register === null) return;
  const doubted = checks.doubt(register, current);
  if (doubted && !reason) {
    $("doubt-title").textContent = say(doubted);
    $("doubt-text").textContent = say(`${doubted}_text`, { typed: `${number(typed)} ${current.unit_sign}` });
    $("reason").value = "";
    $("doubt").hidden = false;
    document.body.classList.add("is-doubting");
    $("doubt").scrollIntoView({ block: "nearest" });
    $("again").focus();
    return;
  }
  await keep(register);
}

async function keep(register) {
  const stop = current;
  const now = Date.now();
  const route = await store.fact("route");
  const entry = {
    entry_id: newId(),
    number: now,
    meter_id: stop.meter_id,
    serial: stop.serial,
    register,
    read_at: utilityTime(route, now),
    entered_at: new Date(now).toISOString(),
    reason_code: reason,
    note: $("note").value.trim(),
    login: document.body.dataset.login,
    state: "waiting",
  };
  try {
    await store.keepEntry(entry);
  } catch (error) {
    broken(error);
    return;
  }
  toast(say("kept", { serial: stop.serial }));
  if (history.state?.meter) history.back();
  else closeStop();
  $("find").value = "";
  await refresh();
  send();
}

/* The utility's time runs by its own clock; the route told what it was, and how fast it runs. */
function utilityTime(route, now) {
  if (!route) return new Date(now).toISOString();
  const elapsed = now - Date.parse(route.loaded_at);
  return new Date(Date.parse(route.utility_now) + Math.max(0, elapsed) * route.clock_rate).toISOString();
}

function newId() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/* ---- the network */

let sending = false;

async function send() {
  if (sending || !(await store.waiting()).length) return lamp(navigator.onLine);
  sending = true;
  try {
    const outcomes = await sendAll(refresh);
    ended = false;
    lamp(true);
    const refused = outcomes.filter((found) => found.outcome === "rejected").length;
    if (refused) toast(say("sent_refused", { n: outcomes.length, refused }));
    else if (outcomes.length) toast(say("sent", { n: outcomes.length }));
  } catch (error) {
    notSent(error);
  } finally {
    sending = false;
    await refresh();
  }
}

async function loadRoute() {
  $("load").disabled = true;
  try {
    const district = $("district").value;
    const answer = await ask(`/api/handheld/route?district=${encodeURIComponent(district)}`);
    const loadedAt = new Date().toISOString();
    await store.keepRoute({
      ...answer,
      loaded_at: loadedAt,
      stops: answer.stops.map((stop, number) => ({
        ...stop,
        number,
        folded: fold([stop.address, stop.kana, stop.name, stop.point_number, stop.serial].join("")),
      })),
    });
    ended = false;
    lamp(true);
    toast(say("route_loaded", { n: answer.stops.length }));
  } catch (error) {
    notSent(error);
  } finally {
    $("load").disabled = false;
    await refresh();
  }
}

function notSent(error) {
  if (error instanceof SessionEnded) {
    ended = true;
    lamp(true);
  } else if (error instanceof Away) {
    lamp(false);
  } else {
    broken(error);
  }
}

function lamp(isReached) {
  $("network").textContent = say(isReached ? "online" : "offline");
  $("network").classList.toggle("is-on", isReached);
  $("ended").hidden = !ended;
}

function broken(error) {
  $("broken").hidden = false;
  $("broken").textContent = `${say("store_broken")} (${error.name}: ${error.message})`;
}

function toast(text) {
  const box = make("div", "toast", text);
  $("toasts").replaceChildren(box);
  setTimeout(() => box.remove(), 4000);
}

/* ---- wiring */

$("keys").addEventListener("click", (event) => {
  const key = event.target.closest("[data-key]")?.dataset.key;
  if (key) press(key);
});
document.addEventListener("keydown", (event) => {
  if (!current || event.target.matches("input, select") || event.ctrlKey || event.metaKey) return;
  if (/^[0-9.]$/.test(event.key)) press(event.key);
  else if (event.key === "Backspace") press("back");
  else if (event.key === "Enter" && $("doubt").hidden && !event.target.matches("button")) save();
  else if (event.key === "Escape") history.back();
});
$("save").addEventListener("click", save);
$("back").addEventListener("click", () => history.back());
addEventListener("popstate", () => {
  document.body.classList.remove("is-doubting");
  if (current) closeStop();
});
$("again").addEventListener("click", () => {
  $("doubt").hidden = true;
  document.body.classList.remove("is-doubting");
  typed = "";
  drawTyped();
  $("dial").focus();
});
$("sure").addEventListener("click", () => {
  reason = $("reason").value;
  if (!reason) {
    $("reason").focus();
    $("reason").setAttribute("aria-invalid", "true");
    return;
  }
  $("doubt").hidden = true;
  document.body.classList.remove("is-doubting");
  save();
});
$("find").addEventListener("input", drawList);
$("load").addEventListener("click", loadRoute);
$("send").addEventListener("click", send);
for (const button of document.querySelectorAll("[data-show]")) {
  button.addEventListener("click", () => {
    show = button.dataset.show;
    $("find").value = "";
    drawList();
  });
}
addEventListener("online", send);
addEventListener("offline", () => lamp(false));
document.addEventListener("visibilitychange", () => document.hidden || send());
setInterval(send, RETRY_MS);

async function start() {
  if (history.state?.meter) history.replaceState(null, "");
  lamp(navigator.onLine);
  try {
    const route = await store.fact("route");
    if (route && Date.parse(route.expires_at) < Date.now()) await store.forgetRoute();
    await store.forgetArrivedBefore(new Date(Date.now() - KEPT_DAYS * 86400000).toISOString());
    await refresh();
    await navigator.storage?.persist?.();
  } catch (error) {
    broken(error);
  }
  document.documentElement.dataset.ready = "yes";
  await send();
  if (!stops.length && $("district").value) await loadRoute();
}

if ("serviceWorker" in navigator) {
  navigator.serviceWorker
    .register("/handheld/sw.js", { scope: "/handheld" })
    .then(() => navigator.serviceWorker.ready)
    .then(() => {
      document.documentElement.dataset.offlineReady = "yes";
    })
    .catch((error) => console.warn("no service worker", error));
}
start();
