/* What pages do beyond HTML: keys to go through rows, refreshing that can be paused, and plain confirmations. */
"use strict";
document.documentElement.classList.add("scripted");

const PAUSED = "console.paused";
const rows = () => [...document.querySelectorAll("tr[data-row]")];
const isTyping = (element) => element.closest("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]") !== null;

function go(step) {
  const all = rows();
  if (!all.length) return;
  const now = all.findIndex((row) => row.classList.contains("here"));
  const next = all[Math.min(all.length - 1, Math.max(0, now < 0 ? 0 : now + step))];
  all.forEach((row) => row.classList.toggle("here", row === next));
  next.querySelector("[data-open]")?.focus();
  next.scrollIntoView({ block: "nearest" });
}

function tick() {
  const box = document.querySelector("tr.here [data-select]");
  if (box) { box.checked = !box.checked; box.dispatchEvent(new Event("change", { bubbles: true })); }
}

const KEYS = {
  "/": () => document.querySelector("[data-search]")?.focus(),
  j: () => go(1),
  k: () => go(-1),
  x: tick,
  Enter: () => document.querySelector("tr.here [data-open]")?.click(),
  u: () => document.querySelector("[data-back]")?.click(),
  "?": () => document.getElementById("help")?.showModal(),
};

document.addEventListener("keydown", (event) => {
  if (document.body.dataset.shortcuts !== "on" || event.ctrlKey || event.metaKey || event.altKey || event.repeat && event.key === "Enter") return;
  if (isTyping(event.target) || document.querySelector("dialog[open]")) return;
  // Enter does what it does on whatever has the focus: only from the page itself does it open the row.
  if (event.key === "Enter" && event.target !== document.body) return;
  const does = KEYS[event.key];
  if (does) { event.preventDefault(); does(); }
});

document.addEventListener("focusin", (event) => {
  const row = event.target.closest?.("tr[data-row]");
  if (row) rows().forEach((one) => one.classList.toggle("here", one === row));
});

// A part of a page that refreshes itself bears `data-refresh`: it rests while the person wants it to, types in it or ticks rows.
document.addEventListener("htmx:beforeRequest", (event) => {
  const part = event.detail.elt;
  if (!part.hasAttribute?.("data-refresh")) return;
  const typing = part.contains(document.activeElement) && isTyping(document.activeElement);
  const ticked = part.querySelector("[data-select]:checked") !== null;
  if (typing || ticked || localStorage.getItem(PAUSED) === "yes" || document.hidden) event.preventDefault();
});
// What a page asks by itself is no sign of life of whoever left it open.
document.addEventListener("htmx:configRequest", (event) => {
  if (event.detail.elt.hasAttribute?.("data-refresh") || event.detail.elt.matches?.("[hx-trigger*='every']")) event.detail.headers["X-By-Itself"] = "yes";
});
document.addEventListener("htmx:responseError", (event) => {
  const messages = document.getElementById("messages");
  if (messages && event.detail.xhr.responseText.startsWith("<div class=\"alert\"")) messages.innerHTML = event.detail.xhr.responseText;
});

function showPause(button) {
  const paused = localStorage.getItem(PAUSED) === "yes";
  button.setAttribute("aria-pressed", String(paused));
  button.textContent = paused ? button.dataset.on : button.dataset.off;
}

for (const button of document.querySelectorAll("[data-pause]")) {
  showPause(button);
  button.addEventListener("click", () => {
    localStorage.setItem(PAUSED, localStorage.getItem(PAUSED) === "yes" ? "no" : "yes");
    showPause(button);
  });
}
document.querySelector("[data-help]")?.addEventListener("click", KEYS["?"]);

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-select-all]")) {
    for (const box of document.querySelectorAll("[data-select]")) box.checked = event.target.checked;
  }
  if (event.target.matches("[data-submits]")) event.target.form.requestSubmit();
});

document.addEventListener("click", (event) => {
  const copied = event.target.closest("[data-copy]");
  if (copied) navigator.clipboard?.writeText(copied.dataset.copy);
});

// A form is sent once: a second click, or a second Enter, does nothing.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post") return;
  if (form.dataset.sent) { event.preventDefault(); return; }
  form.dataset.sent = "yes";
  addEventListener("pageshow", () => delete form.dataset.sent, { once: true });
});
