/* One request's page: an element lights up what it was written from, and back; the map; and refreshing that disturbs nobody. */
"use strict";

const within = (path, source) => path === source || path.startsWith(`${source}.`) || source.startsWith(`${path}.`);
const sourcesOf = (leaf) => (leaf.dataset.sources || "").split(" ").filter(Boolean);

function lightUp(leaf) {
  const all = [...document.querySelectorAll(".panes .leaf")];
  const lit = new Set([leaf]);
  for (const other of all) {
    if (leaf.dataset.path !== undefined) {
      if (sourcesOf(other).some((source) => within(leaf.dataset.path, source))) lit.add(other);
    } else if (other.dataset.path !== undefined && sourcesOf(leaf).some((source) => within(other.dataset.path, source))) {
      lit.add(other);
    }
  }
  for (const one of all) one.classList.toggle("lit", lit.has(one));
  for (const one of lit) if (one !== leaf) { one.scrollIntoView({ block: "nearest", inline: "nearest" }); break; }
}

for (const event of ["click", "focusin"]) {
  document.addEventListener(event, (said) => {
    const leaf = said.target.closest?.(".panes .leaf");
    if (leaf) lightUp(leaf);
  });
}

// A form that is open would be closed under the person's hands: the page then refreshes once it is closed.
document.addEventListener("htmx:beforeRequest", (event) => {
  const part = event.detail.elt;
  if (part.hasAttribute?.("data-refresh") && part.querySelector("details[open]")) event.preventDefault();
});
// What was said already is not said again.
document.addEventListener("htmx:oobBeforeSwap", (event) => {
  if (event.detail.target.textContent.trim() === event.detail.fragment.textContent.trim()) event.detail.shouldSwap = false;
});

for (const place of document.querySelectorAll("[data-latitude]")) {
  const at = [Number(place.dataset.latitude), Number(place.dataset.longitude)];
  const map = L.map(place, { keyboard: true, attributionControl: Boolean(place.dataset.tiles) }).setView(at, 16);
  if (place.dataset.tiles) L.tileLayer(place.dataset.tiles, { attribution: place.dataset.attribution, maxZoom: 19 }).addTo(map);
  L.circleMarker(at, { radius: 9, color: "#a3191f", weight: 3, interactive: false }).addTo(map);
}
