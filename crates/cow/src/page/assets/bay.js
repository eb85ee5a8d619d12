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
import { order, paint } from "./words.js";

function showState(state) {
  scene.showState(state);
  knobs.showState(state);
  facts.showState(state);
  // A lamp that changed while nobody looked, and is steady since, has no word of its own to say.
  if (state.lamp.colour !== shown) showLamp(state.lamp.colour);
}

const { serial } = document.getElementById("identity").dataset;
let shown = null;
function showLamp(colour) {
  shown = colour;
  scene.showLamp(colour);
  facts.showPins(colour);
  pulses.lamp(colour);
}

function observe(observation) {
  if (observation.deviceId && observation.deviceId !== device) return;
  if (observation.registrationId && observation.registrationId.toLowerCase() !== serial) return;
  facts.observe(observation);
  links.observe(observation);
  modules.observe(observation);
  stream.observe(observation);
  if (observation.kind === "message" && observation.output === "occupancy" && observation.body?.occupancy) {
    chart.verdict(observation.body.occupancy, observation.time);
  }
}

const first = JSON.parse(document.getElementById("first").textContent);
for (const { colour, msAgo } of first.lamp.history) pulses.lamp(colour, msAgo);
showState(first);

// A tab that was hidden, or a street that was restarted, missed something: each opening catches up.
follow(board("/stream"), {
  state: showState,
  sample: (sample) => {
    scene.showSample(sample);
    facts.showSample(sample);
    chart.add(sample);
  },
  lamp: ({ colour }) => showLamp(colour),
}, {
  onopen: () => get(board("/samples")).then(chart.replace).catch(() => {}),
});

let newest = "";
let waiting = [];

function take(observation) {
  if (waiting) {
    waiting.push(observation);
  } else if (order(observation.time) > newest) {
    newest = order(observation.time);
    observe(observation);
  }
}

async function catchUp() {
  waiting = [];
  const recent = await get(`/recent/${encodeURIComponent(device)}`).catch(() => []);
  const missed = [...recent, ...waiting];
  waiting = null;
  missed.forEach(take);
  links.refresh();
  modules.refresh();
}

follow("/control/trace", { message: take }, { onopen: catchUp });

if (document.querySelector(".bays")) {
  follow("/boards/stream", {
    bay: ({ bay, colour }) => {
      const dot = document.querySelector(`.bays [data-bay="${CSS.escape(bay)}"] .lampdot`);
      if (dot) paint(dot, colour);
    },
  });
}
