// One bay's page: joins the streams to the parts that show them.

import { board, device, get } from "./api.js";
import * as chart from "./chart.js";
import * as facts from "./facts.js";
import * as knobs from "./knobs.js";
import * as links from "./links.js";
import { follow } from "./live.js";
import * as modules from "./modules.js";
import * as pulses from "./pulses.js";
import * as scene from "./scene.js";
import * as stream from "./stream.js";
import { paint } from "./words.js";

function showState(state) {
  scene.showState(state);
  knobs.showState(state);
  facts.showState(state);
}

function showLamp(colour) {
  scene.showLamp(colour);
  facts.showPins(colour);
  pulses.lamp(colour);
}

function observe(observation) {
  if (observation.deviceId && observation.deviceId !== device) return;
  facts.observe(observation);
  links.observe(observation);
  modules.observe(observation);
  stream.observe(observation);
  if (observation.kind === "message" && observation.output === "occupancy" && observation.body?.occupancy) {
    chart.verdict(observation.body.occupancy, observation.time);
  }
}

const first = JSON.parse(document.getElementById("first").textContent);
showState(first);
for (const { colour, msAgo } of first.lamp.history) pulses.lamp(colour, msAgo);
scene.showLamp(first.lamp.colour);
facts.showPins(first.lamp.colour);

get(board("/samples"))
  .then((samples) => samples.forEach(chart.add))
  .catch(() => {});

follow(board("/stream"), {
  state: showState,
  sample: (sample) => {
    scene.showSample(sample);
    facts.showSample(sample);
    chart.add(sample);
  },
  lamp: ({ colour }) => showLamp(colour),
});

// What was observed before comes first; what arrives meanwhile waits for it.
let waiting = [];
const take = (observation) => (waiting ? waiting.push(observation) : observe(observation));
get(`/recent/${encodeURIComponent(device)}`)
  .catch(() => [])
  .then((recent) => {
    recent.forEach(observe);
    const newest = recent.at(-1)?.time ?? "";
    const late = waiting.filter((observation) => observation.time > newest);
    waiting = null;
    late.forEach(observe);
    links.refresh();
    modules.refresh();
  });
follow("/control/trace", { message: take }, {
  onopen: () => {
    if (waiting) return;
    links.refresh();
    modules.refresh();
  },
});

if (document.querySelector(".bays")) {
  follow("/boards/stream", {
    bay: ({ deviceId, colour }) => {
      const dot = document.querySelector(`.bays [data-bay="${CSS.escape(deviceId)}"] .lampdot`);
      if (dot) paint(dot, colour);
    },
  });
}
