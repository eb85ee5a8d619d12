// The street: every bay at a glance. What a bay is, its modules say; what stands in it, its board.

import { follow } from "./live.js";
import { millimetres, outcomes, paint, plain } from "./words.js";

const tiles = new Map([...document.querySelectorAll(".tile")].map((tile) => [tile.dataset.bay, tile]));
const show = (tile, name, text) => (tile.querySelector(`[data-show="${name}"]`).textContent = text);

function observe({ kind, deviceId, output, body }) {
  const tile = tiles.get(deviceId);
  if (!tile || kind !== "message" || output !== "occupancy" || !body?.occupancy) return;
  tile.dataset.occupancy = body.occupancy;
  show(tile, "state", body.reason ? `${body.occupancy}: ${plain(body.reason)}` : body.occupancy);
}

for (const device of tiles.keys()) {
  fetch(`/recent/${encodeURIComponent(device)}`)
    .then((answer) => answer.json())
    .then((recent) => recent.forEach(observe))
    .catch(() => {});
}
follow("/control/trace", { message: observe });

follow("/boards/stream", {
  bay: ({ deviceId, colour, vehicle, sample }) => {
    const tile = tiles.get(deviceId);
    if (!tile) return;
    paint(tile.querySelector(".lampdot"), colour);
    const distance = sample && (sample.distanceMm == null ? outcomes[sample.outcome] : millimetres(sample.distanceMm));
    show(tile, "more", [vehicle && `${vehicle.vehicle} ${vehicle.motion}`, distance].filter(Boolean).join(" · "));
  },
});
