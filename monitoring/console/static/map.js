// The map of open requests: districts shaded by what they have open, points by state. The table says the same.
"use strict";

(() => {
  const place = document.getElementById("map");
  if (!place || !window.L) return;
  const said = document.getElementById("map-said");
  const text = (name) => place.dataset[name] || "";
  const named = (status) => status.split("_").map((part) => part[0].toUpperCase() + part.slice(1)).join("");
  const go = (address) => window.location.assign(address);

  const map = L.map(place, { zoomControl: false, attributionControl: false, center: [46.5, 2.5], zoom: 6 });
  L.control.zoom({ zoomInTitle: text("zoomIn"), zoomOutTitle: text("zoomOut") }).addTo(map);
  if (text("tiles")) {
    L.tileLayer(text("tiles"), { maxZoom: 19 }).addTo(map);
    const credit = document.createElement("span");
    credit.textContent = text("attribution");
    L.control.attribution({ prefix: false }).addAttribution(credit.innerHTML).addTo(map);
  }

  function sign(status) {
    const drawn = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    drawn.setAttribute("viewBox", "0 0 20 20");
    drawn.setAttribute("class", `sign ${status}`);
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    path.setAttribute("d", text(`sign${named(status)}`));
    drawn.append(path);
    return L.divIcon({ className: "", iconSize: [18, 18], html: drawn });
  }

  function point(feature, at) {
    const { number, status } = feature.properties;
    const state = text(`state${named(status)}`);
    const title = `${text("open")} ${number} · ${state}`;
    return L.marker(at, { icon: sign(status), title, alt: title, keyboard: false })
      .on("click", () => go(`/console/demandes/${number}`));
  }

  function district(feature, layer) {
    const { name, requests, list } = feature.properties;
    const label = document.createElement("span");
    label.textContent = `${name} : ${requests}`;
    layer.bindTooltip(label, { permanent: true, direction: "center", className: "district-name" });
    layer.on("click", () => go(list));
  }

  async function ask(address) {
    const answer = await fetch(address, { headers: { Accept: "application/geo+json" } });
    if (!answer.ok) throw new Error(answer.status);
    return answer.json();
  }

  async function draw() {
    const [districts, points] = await Promise.all([
      text("districts") ? ask(text("districts")) : null,
      ask(text("points")),
    ]);
    const shapes = districts && L.geoJSON(districts, {
      style: (feature) => ({ className: `shade shade-${feature.properties.class}` }),
      onEachFeature: district,
    }).addTo(map);
    const placed = L.geoJSON(points, { pointToLayer: point }).addTo(map);
    const bounds = (shapes || placed).getBounds();
    if (bounds.isValid()) map.fitBounds(bounds, { padding: [12, 12], maxZoom: 16 });
    if (points.left_out) said.textContent = text("leftOut").replace("{n}", points.left_out.toLocaleString(document.documentElement.lang));
    place.dataset.drawn = points.features.length;
  }

  draw().catch(() => { said.textContent = text("failed"); });
})();
