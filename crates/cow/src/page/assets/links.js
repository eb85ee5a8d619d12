// Who is connected, and the levers of the simulator.

import { complain, device, get, send } from "./api.js";
import { showUpstream } from "./facts.js";

const rows = [...document.querySelectorAll("#links .link[data-module]")];
const upstream = document.querySelector('[data-lever="upstream"]');
const identity = (module) => (module ? `${device}/${module}` : device);

async function pull(module, lever) {
  // What was asked for before this tells of how it was.
  asks += 1;
  try {
    await send("POST", "/control/levers", { target: { deviceId: device, ...(module && { moduleId: module }) }, ...lever });
  } catch (error) {
    complain(error);
  }
  await refresh();
}

async function crash(module) {
  try {
    await send("POST", `/control/processes/${encodeURIComponent(device)}/${encodeURIComponent(module)}/kill`, {});
  } catch (error) {
    complain(error);
  }
}

upstream.addEventListener("click", () => pull(null, { upstream: flip(upstream) ? "cut" : "up" }));
for (const row of rows) {
  const { module } = row.dataset;
  for (const lever of row.querySelectorAll("[data-lever]")) {
    const name = lever.dataset.lever;
    if (name === "crash") lever.addEventListener("click", () => crash(module));
    else if (name === "delayAcksMs") lever.addEventListener("change", () => pull(module, { delayAcksMs: Number(lever.value) }));
    else if (name === "dropNextAck") lever.addEventListener("click", () => pull(module, { dropNextAck: true }));
    else if (name === "link") lever.addEventListener("click", () => pull(module, { link: flip(lever) ? "cut" : "up" }));
    else lever.addEventListener("click", () => pull(module, { [name]: flip(lever) }));
  }
}

function flip(lever) {
  const on = lever.getAttribute("aria-checked") !== "true";
  lever.setAttribute("aria-checked", on);
  return on;
}

function showConnection(module, state, reason) {
  for (const dot of document.querySelectorAll(`[data-module="${CSS.escape(module)}"] > .dot`)) dot.dataset.state = state;
  const word = rows.find((row) => row.dataset.module === module)?.querySelector('[data-show="connection"]');
  if (word) {
    word.textContent = state;
    word.title = reason ?? "";
  }
}

function showWay(way) {
  if (!way) return;
  const { pending } = way;
  const cut = way.state === "cut";
  upstream.setAttribute("aria-checked", cut);
  document.getElementById("dot-upstream").dataset.state = cut ? "disconnected" : "connected";
  document.getElementById("link-upstream").textContent = pending ? `${cut ? "cut" : "up"}, ${pending} waiting` : cut ? "cut" : "up";
  showUpstream(way.state, pending);
  // What waits grows and shrinks without a word of its own in the trace.
  clearTimeout(again);
  if (cut || pending) again = setTimeout(refresh, 1000);
}
let again = 0;

// When the trace last told of a module, so that an answer asked for before then does not take it back.
const told = new Map();

export function observe(observation) {
  if (observation.kind === "connection" && observation.moduleId) {
    told.set(observation.moduleId, performance.now());
    showConnection(observation.moduleId, observation.state, observation.reason);
  }
  if (observation.kind === "upstream") showWay(observation);
  if (observation.kind === "lever") refresh();
}

// Levers and connections as the simulator has them, also after a restart of it. An answer that is overtaken by a newer
// question, or by a hand on a lever, is none.
let asks = 0;
export async function refresh() {
  const ask = (asks += 1);
  const asked = performance.now();
  try {
    const [{ levers, upstream: ways }, devices] = await Promise.all([get("/control/levers"), get("/control/devices")]);
    if (ask !== asks) return;
    const held = (list, module) => list.some((who) => who === "*" || who === identity(module));
    for (const row of rows) {
      const { module } = row.dataset;
      const lever = (name) => row.querySelector(`[data-lever="${name}"]`);
      lever("link").setAttribute("aria-checked", held(levers.cut, module));
      lever("refuseTokens").setAttribute("aria-checked", held(levers.refuseTokens, module));
      lever("delayAcksMs").value = String(levers.delayAcksMs[identity(module)] ?? levers.delayAcksMs["*"] ?? 0);
      const dropping = held(levers.dropNextAck, module);
      lever("dropNextAck").disabled = dropping;
      lever("dropNextAck").textContent = dropping ? "Waiting for one" : "Drop the next";
    }
    showWay(ways[device]);
    const ours = devices.find((one) => one.deviceId === device);
    for (const { moduleId, connected } of ours?.modules ?? []) {
      if ((told.get(moduleId) ?? 0) < asked) showConnection(moduleId, connected ? "connected" : "disconnected");
    }
  } catch {
    // The stream says that the simulator is away; saying it twice helps nobody.
  }
}
