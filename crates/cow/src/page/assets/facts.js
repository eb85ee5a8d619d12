// What the bay's modules say about it, in words: the four boxes at the top.

import { complain, invoke } from "./api.js";
import { lasted, millimetres, outcomes, paint, plain } from "./words.js";

const part = (id) => document.getElementById(id);
// Whoever sends lamp messages is asked to book: with --exec, any program may be the bay's lamp.
let { light } = part("main").dataset;
let occupancy = null;
let booking = null;

// Of an observation, whatever the boxes care for.
export function observe(observation) {
  if (observation.kind === "upstream") showUpstream(observation.state, observation.pending);
  if (observation.kind !== "message") return;
  if (observation.output === "occupancy" && observation.body?.occupancy) {
    occupancy = observation.body;
    showOccupancy();
  }
  if (observation.output === "lamp" && observation.body?.colour) {
    light = observation.moduleId;
    part("book").hidden = false;
    showReport(observation.body);
  }
}

function showOccupancy() {
  part("fact-bay").dataset.occupancy = occupancy.occupancy;
  setText("occupancy", occupancy.occupancy);
  const since = Date.parse(occupancy.since);
  const facts = [
    occupancy.reason && plain(occupancy.reason),
    Number.isFinite(since) && `for ${lasted(Date.now() - since)}`,
    occupancy.distanceMm != null && `at ${millimetres(occupancy.distanceMm)}`,
  ];
  setText("occupancy-more", facts.filter(Boolean).join(" · "));
}
setInterval(() => occupancy && showOccupancy(), 1000);

function showReport(report) {
  setText("lamp-word", `${report.colour}, ${plain(report.pattern)}`);
  showBooking(report.bookingId ? { bookingId: report.bookingId, until: booking?.bookingId === report.bookingId ? booking.until : null } : null);
}

function showBooking(found) {
  booking = found;
  const until = booking?.until ? ` until ${new Date(booking.until).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" })}` : "";
  setText("booking", booking ? `${booking.bookingId}${until}` : "not booked");
  part("booking").classList.toggle("is-none", !booking);
}

export function showUpstream(state, pending) {
  part("fact-upstream").dataset.state = state;
  setText("upstream", state);
  if (pending != null) setText("upstream-more", pending ? `${pending} ${pending === 1 ? "message waits" : "messages wait"}` : "nothing waits");
}

export function showPins(colour) {
  paint(part("lampdot"), colour);
}

export function showState(state) {
  setText("reading-air", `${state.temperature.celsius.toFixed(1)} °C`);
  const { chargePercent, voltageMv, minutesToEmpty } = state.battery;
  const left = minutesToEmpty == null ? "" : `, ${lasted(minutesToEmpty * 60_000).replace(/ 0 s$/, "")} left`;
  setText("reading-battery", `${chargePercent} %, ${(voltageMv / 1000).toFixed(2)} V${left}`);
  setText("reading-samples", state.samples.toLocaleString("en-GB"));
}

let sampleShown = 0;
export function showSample(sample) {
  // Digits that change ten times a second cannot be read.
  if (performance.now() - sampleShown < 300) return;
  sampleShown = performance.now();
  setText("reading-distance", sample.distanceMm == null ? outcomes[sample.outcome] : millimetres(sample.distanceMm));
}

// Live regions speak when they are written to: only what changed is written.
function setText(id, text) {
  const element = part(id);
  if (element.textContent !== text) element.textContent = text;
}

part("book").addEventListener("submit", async (event) => {
  event.preventDefault();
  const minutes = Number(part("book-minutes").value);
  const until = minutes ? new Date(Date.now() + minutes * 60_000).toISOString() : null;
  const bookingId = `desk-${Date.now().toString(36).slice(-5)}`;
  await ask("book", { bookingId, ...(until && { until }) });
});
part("release").addEventListener("click", () => ask("release", {}));

async function ask(method, payload) {
  try {
    const answer = await invoke(light, method, payload);
    if (answer.status < 300) showBooking(answer.payload?.booking ?? null);
    else complain(new Error(`${light} refused: ${answer.payload?.message ?? answer.payload?.reason ?? answer.payload?.error ?? answer.status}`));
  } catch (error) {
    complain(error);
  }
}
