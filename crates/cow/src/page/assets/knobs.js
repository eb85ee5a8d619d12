// What a visitor does to the world: buttons, switches and sliders of the board.

import { command } from "./api.js";

for (const button of document.querySelectorAll("[data-command]")) {
  button.addEventListener("click", () => command(JSON.parse(button.dataset.command)));
}

const driveIn = document.querySelectorAll("#drive-in button");
const driveOut = document.getElementById("drive-out");

const switches = [...document.querySelectorAll("[data-switch]")];
for (const button of switches) {
  button.addEventListener("click", () => {
    const on = button.getAttribute("aria-checked") !== "true";
    button.setAttribute("aria-checked", on);
    command({ command: button.dataset.switch, on });
  });
}

for (const radio of document.querySelectorAll("#rain input")) {
  radio.addEventListener("change", () => command({ command: "rain", level: radio.value }));
}

const ranges = [...document.querySelectorAll("[data-range]")];
const label = (range) => (range.nextElementSibling.textContent = `${Number(range.value).toLocaleString("en-GB")} ${range.dataset.unit}`);
for (const range of ranges) {
  label(range);
  range.addEventListener("input", () => label(range));
  range.addEventListener("change", () => command({ command: range.dataset.range, [range.dataset.field]: Number(range.value) }));
}

// A scenario, or another visitor, moves the same knobs.
export function showState(state) {
  const motion = state.vehicle?.motion;
  // One bay, one vehicle; but one that is leaving may be called back.
  for (const button of driveIn) button.disabled = motion === "arriving" || motion === "parked";
  driveOut.disabled = !motion || motion === "leaving";
  const on = { sensorStuck: state.sensorStuck, cableCut: state.cableCut };
  for (const button of switches) button.setAttribute("aria-checked", on[button.dataset.switch]);
  const rain = document.querySelector(`#rain input[value="${state.rain}"]`);
  if (rain) rain.checked = true;
  const values = {
    celsius: state.temperature.targetCelsius,
    chargePercent: state.battery.chargePercent,
    failingReadsPercent: state.battery.failingReadsPercent,
    nonsenseReadsPercent: state.battery.nonsenseReadsPercent,
    mm: state.floorDistanceMm,
  };
  for (const range of ranges) {
    if (range.matches(":active, :focus")) continue;
    range.value = values[range.dataset.field];
    label(range);
  }
}
