// The last minute of measurements, drawn to the scene's scale: distance grows downwards, from the sensor to the floor.

import { scale } from "./scene.js";

const WINDOW_MS = 60_000;
const WIDTH = 560;
const LEFT = 8;
const RIGHT = 500;
const GROUND = 280;
const BAND = 292;

const svg = document.getElementById("chart");
const samples = [];
const verdicts = [];
let limitMm = null;

const node = (name, attributes, parent = svg) => {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  parent.append(made);
  return made;
};

node("rect", { class: "plate", width: WIDTH, height: 320, rx: 10 });
const grid = node("g", { class: "grid" });
const band = node("g", { class: "band" });
const misses = node("path", { class: "misses" });
const trace = node("path", { class: "trace" });
const limit = node("path", { class: "limit" });
const now = node("circle", { class: "now", r: 4 });

export function add(sample) {
  samples.push({ at: performance.now() - (sample.msAgo ?? 0), mm: sample.distanceMm, outcome: sample.outcome });
}

export function replace(all) {
  samples.length = 0;
  all.forEach(add);
}

// What hc-sr04 said, at the time it was said.
export function verdict(word, time) {
  const at = performance.now() - Math.max(0, Date.now() - Date.parse(time));
  verdicts.push({ at, word });
  verdicts.sort((one, other) => one.at - other.at);
}

// Nearer than this, hc-sr04 takes it for a vehicle.
export function setLimit(mm) {
  limitMm = mm;
}

function draw() {
  const at = performance.now();
  const x = (time) => RIGHT - ((at - time) / WINDOW_MS) * (RIGHT - LEFT);
  const y = (mm) => scale.sensorY + mm * scale.perMm;
  while (samples.length > 1 && samples[1].at < at - WINDOW_MS) samples.shift();
  while (verdicts.length > 1 && verdicts[1].at < at - WINDOW_MS) verdicts.shift();

  let line = "";
  let missed = "";
  let drawing = false;
  for (const sample of samples) {
    const across = x(sample.at).toFixed(1);
    if (sample.mm == null) {
      missed += `M${across} 30v9`;
      drawing = false;
    } else {
      line += `${drawing ? "L" : "M"}${across} ${y(sample.mm).toFixed(1)}`;
      // A single sample between two misses is a dot.
      if (!drawing) line += "h.1";
      drawing = true;
    }
  }
  trace.setAttribute("d", line);
  misses.setAttribute("d", missed);
  const newest = samples.at(-1);
  now.setAttribute("visibility", newest?.mm == null ? "hidden" : "visible");
  if (newest?.mm != null) {
    now.setAttribute("cx", RIGHT);
    now.setAttribute("cy", y(newest.mm).toFixed(1));
  }
  limit.setAttribute("d", limitMm == null ? "" : `M${LEFT} ${y(limitMm).toFixed(1)}H${RIGHT}`);

  band.replaceChildren();
  verdicts.forEach((one, n) => {
    const from = Math.max(LEFT, x(one.at));
    const to = n + 1 < verdicts.length ? x(verdicts[n + 1].at) : RIGHT;
    if (to > from) node("rect", { class: `said said-${one.word}`, x: from.toFixed(1), y: BAND, width: (to - from).toFixed(1), height: 8, rx: 2 }, band);
  });
}

function drawGrid() {
  grid.replaceChildren();
  const step = scale.floorMm > 3000 ? 1000 : 500;
  for (let mm = 0; mm < scale.floorMm - step / 3; mm += step) line(mm, `${(mm / 1000).toFixed(1)} m`, "");
  line(scale.floorMm, "floor", "floor");
  node("text", { x: LEFT + 2, y: 20, class: "corner" }, grid).textContent = "distance from the sensor, last minute";
  for (const [seconds, label] of [[60, "−60 s"], [30, "−30 s"], [0, "now"]]) {
    const across = RIGHT - (seconds / 60) * (RIGHT - LEFT);
    node("text", { x: across, y: 314, "text-anchor": seconds === 60 ? "start" : "middle" }, grid).textContent = label;
  }

  function line(mm, label, kind) {
    const down = (scale.sensorY + mm * scale.perMm).toFixed(1);
    node("path", { d: `M${LEFT} ${down}H${RIGHT}`, class: kind }, grid);
    node("text", { x: RIGHT + 12, y: Number(down) + 4 }, grid).textContent = label;
  }
}

let drawnFor = null;
let last = 0;
function frame(time) {
  // Ten pictures a second are enough for ten samples a second.
  if (time - last > 90) {
    last = time;
    if (drawnFor !== scale.floorMm) {
      drawnFor = scale.floorMm;
      drawGrid();
    }
    draw();
  }
  requestAnimationFrame(frame);
}
requestAnimationFrame(frame);
