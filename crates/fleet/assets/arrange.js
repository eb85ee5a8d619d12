// Bays are put where they are: dragged, or moved by the arrow keys when they have the focus.

import { api } from "./forms.js";

const STEP = 5;
// Keys that follow each other are kept as one move, in milliseconds.
const SETTLE = 400;

// `fields` names the two halves of a place for the API.
export function arranging(map, camera, markers, fields) {
  const button = document.getElementById("arrange");
  const help = document.getElementById("arrange-help");
  const isOn = () => button?.getAttribute("aria-pressed") === "true";
  let dragged = null;
  let timer = null;

  async function keep(id, version, place) {
    const { body, refused } = await api("PATCH", `/api/bays/${id}`, { [fields.x]: place.x, [fields.y]: place.y }, { version });
    if (refused) alert(refused.detail);
    return body;
  }

  async function settle(drawn, place) {
    const body = await keep(drawn.dataset.id, drawn.dataset.version, place);
    if (body) drawn.dataset.version = body.version;
    drawn.classList.remove("is-moved");
    // Where it really is, the service says; it may have been refused.
    if (!body) map.dispatchEvent(new Event("again"));
  }

  button?.addEventListener("click", () => {
    button.setAttribute("aria-pressed", String(!isOn()));
    map.classList.toggle("is-arranged", isOn());
    help.hidden = !isOn();
    map.dispatchEvent(new Event("again"));
  });
  map.addEventListener("click", (event) => isOn() && event.target.closest(".bay") && event.preventDefault());

  const at = (event) => {
    const { left, top } = map.getBoundingClientRect();
    return { x: event.clientX - left - map.clientLeft, y: event.clientY - top - map.clientTop };
  };
  map.addEventListener("pointerdown", (event) => {
    dragged = isOn() && event.button === 0 ? event.target.closest(".bay") : null;
    if (!dragged) return;
    map.setPointerCapture(event.pointerId);
    dragged.classList.add("is-moved");
    event.preventDefault();
    dragged.focus();
  });
  map.addEventListener("pointermove", (event) => dragged && markers.move(dragged, at(event)));
  map.addEventListener("pointerup", (event) => {
    if (dragged) settle(dragged, markers.move(dragged, at(event)));
    dragged = null;
  });
  map.addEventListener("pointercancel", () => {
    dragged?.classList.remove("is-moved");
    dragged = null;
    map.dispatchEvent(new Event("again"));
  });
  // In front of the map's own keys.
  map.addEventListener("keydown", (event) => {
    const drawn = event.target.closest(".bay");
    const step = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] }[event.key];
    if (!isOn() || !drawn || !step) return;
    event.preventDefault();
    const { x, y } = markers.at(drawn);
    drawn.classList.add("is-moved");
    const place = markers.move(drawn, { x: x + step[0], y: y + step[1] });
    clearTimeout(timer);
    timer = setTimeout(() => settle(drawn, place), SETTLE);
  }, true);

  return {
    isOn,
    // Whether a press on this is for the map.
    isFree: (event) => !(isOn() && event.target.closest(".bay")),
    // Puts a bay that has no place yet into the middle of what is seen.
    putHere: (bay) => keep(bay.id, bay.version, camera.place({ x: camera.width / 2, y: camera.height / 2 })),
  };
}
