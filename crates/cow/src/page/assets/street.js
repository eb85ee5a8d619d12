// The street: every bay at a glance. What a bay is, its modules say; what stands in it, its board.

import { follow } from "./live.js";
import { millimetres, order, outcomes, paint, phases, plain } from "./words.js";

const tiles = new Map([...document.querySelectorAll(".tile")].map((tile) => [tile.dataset.bay, tile]));
const show = (tile, name, text) => (tile.querySelector(`[data-show="${name}"]`).textContent = text);

// Machines change which device they are.
const devices = new Map([...tiles.values()].filter((tile) => tile.dataset.device).map((tile) => [tile.dataset.device, tile]));

// What a bay last said is hearsay once its machine is down, or is another device.
function become(tile, device, phase) {
  if (device === tile.dataset.device && phase === tile.dataset.phase) return;
  devices.delete(tile.dataset.device);
  tile.dataset.device = device;
  tile.dataset.phase = phase;
  if (device) devices.set(device, tile);
  tile.dataset.occupancy = "";
  show(tile, "state", phase === "running" ? "not heard yet" : phases[phase]);
  if (phase === "running") catchUp(device);
}

// What is caught up on may be older than what came live meanwhile.
const heard = new Map();

function observe({ kind, deviceId, output, body, time }) {
  const tile = devices.get(deviceId);
  if (tile?.dataset.phase !== "running" || kind !== "message" || output !== "occupancy" || !body?.occupancy) return;
  if (order(time) <= (heard.get(deviceId) ?? "")) return;
  heard.set(deviceId, order(time));
  tile.dataset.occupancy = body.occupancy;
  show(tile, "state", body.reason ? `${body.occupancy}: ${plain(body.reason)}` : body.occupancy);
}

// A tab that was hidden, or a street that was restarted, missed something: each opening catches up.
function catchUp(device) {
  heard.delete(device);
  fetch(`/recent/${encodeURIComponent(device)}`)
    .then((answer) => answer.json())
    .then((recent) => recent.forEach(observe))
    .catch(() => {});
}
follow("/control/trace", { message: observe }, { onopen: () => [...devices.keys()].forEach(catchUp) });

follow("/boards/stream", {
  bay: ({ bay, deviceId, phase, colour, vehicle, sample }) => {
    const tile = tiles.get(bay);
    if (!tile) return;
    become(tile, deviceId ?? "", phase);
    paint(tile.querySelector(".lampdot"), colour);
    const distance = sample && (sample.distanceMm == null ? outcomes[sample.outcome] : millimetres(sample.distanceMm));
    show(tile, "more", [vehicle && `${vehicle.vehicle} ${vehicle.motion}`, distance].filter(Boolean).join(" · "));
  },
});
