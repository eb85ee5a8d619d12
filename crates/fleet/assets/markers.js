// Bays on a map, and groups of bays that are too many or too close: what is drawn of them.

import { say } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";
// Below this a bay shows its sign alone, in points.
const NUMBERED = 30;

const numbers = new Intl.NumberFormat(document.documentElement.lang);

export const signs = new Map([...document.querySelectorAll(".legend [data-sign]")].map((entry) => [entry.dataset.sign, { word: entry.querySelector(".legend-word").textContent, symbol: entry.dataset.symbol }]));

export const labelOf = (bay) => say("bay", { number: bay.number, sign: signs.get(bay.sign).word });

function element(name, attributes, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

// A bay; its measures are in the size of the text, so that all grow with the map.
function bayElement(bay) {
  const rect = element("rect", { x: "-.5em", y: "-.7em", width: "1em", height: "1.4em", rx: ".12em" });
  const symbol = element("text", { class: "bay-symbol", y: "-.05em" });
  const number = element("text", { class: "bay-number", y: "1.6em" });
  return element("a", { href: `/bays/${bay.id}`, class: "bay", id: `bay-${bay.id}`, "data-id": bay.id }, rect, symbol, number);
}

function showBay(drawn, bay) {
  drawn.dataset.version = bay.version;
  drawn.dataset.sign = bay.sign;
  drawn.toggleAttribute("data-mine", bay.isMine);
  drawn.querySelector(".bay-symbol").textContent = signs.get(bay.sign).symbol;
  drawn.querySelector(".bay-number").textContent = bay.number;
  drawn.setAttribute("aria-label", labelOf(bay));
}

// A group: how many are free, of how many, and a ring of what all of them show.
function clusterElement(cluster) {
  const { count, signs: of } = cluster;
  const free = of.free ?? 0;
  const radius = 16 + 4 * Math.log10(count);
  const words = [...signs].filter(([sign]) => of[sign]).map(([sign, { word }]) => `${of[sign]} ${word}`);
  const drawn = element("g", { class: "cluster", tabindex: 0, role: "button", "aria-label": `${say("bays", { count: numbers.format(count) })}: ${words.join(", ")}` });
  drawn.append(element("circle", { class: "cluster-ground", r: radius }));
  let begin = 0;
  for (const sign of signs.keys()) {
    const part = ((of[sign] ?? 0) / count) * 100;
    if (part) drawn.append(element("circle", { class: "cluster-part", "data-sign": sign, r: radius - 3, pathLength: 100, "stroke-dasharray": `${part} ${100 - part}`, "stroke-dashoffset": -begin, transform: "rotate(-90)" }));
    begin += part;
  }
  const big = element("text", { class: "cluster-free", y: 3 });
  const small = element("text", { class: "cluster-all", y: 14 });
  big.textContent = numbers.format(free);
  small.textContent = `/ ${numbers.format(count)}`;
  drawn.append(big, small);
  return drawn;
}

// What is drawn on `svg`: `set` takes what the service says of the whole frame, `change` single bays, `draw` puts all of
// them where the camera sees them. `nearer` is called with a group that is pressed.
export class Markers {
  #svg;
  #camera;
  #nearer;
  // Groups lie below bays.
  #below = element("g", {});
  #above = element("g", {});
  #bays = new Map();
  #clusters = [];

  constructor(svg, camera, nearer) {
    [this.#svg, this.#camera, this.#nearer] = [svg, camera, nearer];
    svg.append(this.#below, this.#above);
  }

  set(bays, clusters) {
    const here = new Set(bays.map((bay) => bay.id));
    for (const [id, { drawn }] of this.#bays) {
      // What is in somebody's hand stays.
      if (here.has(id) || drawn.matches(".is-moved")) continue;
      drawn.remove();
      this.#bays.delete(id);
    }
    const held = this.#clusters.findIndex(({ drawn }) => drawn === document.activeElement);
    const place = this.#clusters[held]?.cluster;
    this.#clusters.forEach(({ drawn }) => drawn.remove());
    this.#clusters = clusters.map((cluster) => {
      const drawn = clusterElement(cluster);
      drawn.addEventListener("click", () => this.#nearer(cluster));
      drawn.addEventListener("keydown", (event) => {
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        this.#nearer(cluster);
      });
      this.#below.append(drawn);
      return { cluster, drawn };
    });
    this.change(bays);
    // The group that had the focus is another element now.
    if (place) this.#clusters.find(({ cluster }) => cluster.x === place.x && cluster.y === place.y)?.drawn.focus();
  }

  change(bays) {
    for (const bay of bays) {
      const known = this.#bays.get(bay.id);
      const drawn = known?.drawn ?? this.#above.appendChild(bayElement(bay));
      if (known && drawn.matches(".is-moved")) [bay.x, bay.y] = [known.bay.x, known.bay.y];
      this.#bays.set(bay.id, { bay, drawn });
      showBay(drawn, bay);
    }
    this.draw();
  }

  draw() {
    const size = this.#camera.bay;
    this.#svg.style.fontSize = `${size}px`;
    this.#svg.classList.toggle("is-small", size < NUMBERED);
    for (const { bay, drawn } of this.#bays.values()) this.#put(drawn, bay, size);
    for (const { cluster, drawn } of this.#clusters) this.#put(drawn, cluster, 30);
  }

  // What is not seen is not there for the Tab key either.
  #put(drawn, place, margin) {
    const { x, y } = this.#camera.onScreen(place);
    const isSeen = x > -margin && y > -margin && x < this.#camera.width + margin && y < this.#camera.height + margin;
    drawn.style.display = isSeen ? "" : "none";
    if (isSeen) drawn.setAttribute("transform", `translate(${x.toFixed(1)} ${y.toFixed(1)})`);
  }

  // Puts a bay elsewhere on this page, to a point of the screen; its place, as the API speaks of it.
  move(drawn, point) {
    const { bay } = this.#bays.get(drawn.dataset.id);
    Object.assign(bay, this.#camera.place(point));
    this.#put(drawn, bay, this.#camera.bay);
    return { x: bay.x, y: bay.y };
  }

  // Where a bay is on the screen.
  at(drawn) {
    return this.#camera.onScreen(this.#bays.get(drawn.dataset.id).bay);
  }

  // What is on the screen: the bays by themselves, and how many are in groups.
  seen() {
    const bays = [...this.#bays.values()].filter(({ drawn }) => drawn.style.display === "").map(({ bay }) => bay);
    const grouped = this.#clusters.filter(({ drawn }) => drawn.style.display === "");
    return { bays, grouped: grouped.reduce((sum, { cluster }) => sum + cluster.count, 0) };
  }
}
