// The lamp's pins over the last eight seconds, so that a pattern can be seen as a shape.

import { paint } from "./words.js";

const WINDOW_MS = 8000;
const WIDTH = 240;
const svg = document.getElementById("pulses");
const changes = [];

export function lamp(colour, msAgo = 0) {
  changes.push({ colour, at: performance.now() - msAgo });
}

let last = 0;
function frame(time) {
  if (time - last > 45) {
    last = time;
    draw();
  }
  requestAnimationFrame(frame);
}

function draw() {
  const at = performance.now();
  while (changes.length > 1 && changes[1].at < at - WINDOW_MS) changes.shift();
  const x = (time) => Math.max(0, WIDTH - ((at - time) / WINDOW_MS) * WIDTH);
  const bars = changes.flatMap((change, n) => {
    const from = x(change.at);
    const to = n + 1 < changes.length ? x(changes[n + 1].at) : WIDTH;
    if (to <= from) return [];
    const bar = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    const dark = change.colour === "off";
    Object.entries({ x: from, width: to - from, y: dark ? 12 : 1, height: dark ? 1.5 : 12 }).forEach(([key, value]) => bar.setAttribute(key, value.toFixed(1)));
    paint(bar, change.colour);
    return [bar];
  });
  svg.replaceChildren(...bars);
}
requestAnimationFrame(frame);
