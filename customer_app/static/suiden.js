/* Small helps; every page works without them. */
(() => {
  "use strict";
  // A menu closes when one clicks elsewhere or presses Escape.
  document.addEventListener("click", (event) => {
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      if (!menu.contains(event.target)) menu.removeAttribute("open");
    }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      menu.removeAttribute("open");
      menu.querySelector("summary").focus();
    }
  });
  // A short message goes away by itself, and its name leaves the address.
  const toast = document.querySelector(".toast");
  if (toast) {
    setTimeout(() => toast.remove(), 6000);
    const address = new URL(location.href);
    address.searchParams.delete("said");
    history.replaceState(history.state, "", address);
  }
  // A form is sent once.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.dataset.sent) {
      event.preventDefault();
      return;
    }
    if (form.method === "post") {
      form.dataset.sent = "yes";
      setTimeout(() => delete form.dataset.sent, 4000);
    }
  });
  // Say when the network is away.
  const tell = () => document.documentElement.classList.toggle("is-offline", !navigator.onLine);
  addEventListener("online", tell);
  addEventListener("offline", tell);
  tell();
  // A page that comes back from the browser's memory is asked for again: it may be old.
  addEventListener("pageshow", (event) => {
    if (event.persisted) location.reload();
  });
  for (const button of document.querySelectorAll("[data-print]")) {
    button.hidden = false;
    button.addEventListener("click", () => print());
  }
})();
