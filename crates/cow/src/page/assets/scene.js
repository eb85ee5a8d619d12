// The bay from the side: what stands there, what the sensor hears, how the lamp shines.

import { millimetres, outcomes, paint } from "./words.js";

const GROUND = 280;
const SENSOR_X = 380;
const SPREAD = Math.tan((15 * Math.PI) / 180);

const scene = document.getElementById("scene");
const part = (id) => document.getElementById(id);
const [vehicle, pedestrian, sensor, gantry, cone, front, dimensionLine, dimensionText, title] =
  ["vehicle", "pedestrian", "sensor", "gantry", "cone", "front", "dimension-line", "dimension-text", "scene-words"].map(part);

// The same scale serves the chart beside the scene: the floor and a roof are at the same height in both.
export const scale = { perMm: 0.084, sensorY: 70, floorMm: 2500 };
let distance = null;
let outcome = "";

export function showState(state) {
  scale.floorMm = state.floorDistanceMm;
  scale.perMm = 210 / Math.max(2500, state.floorDistanceMm);
  scale.sensorY = GROUND - state.floorDistanceMm * scale.perMm;
  const lifted = scale.sensorY - 70;
  sensor.setAttribute("transform", `translate(0 ${scale.sensorY})`);
  gantry.setAttribute("transform", `translate(0 ${lifted})`);
  part("gantry-path").setAttribute("d", `M632 ${GROUND - lifted}V44M632 48H262`);

  const there = state.vehicle;
  scene.dataset.vehicle = there?.vehicle ?? "";
  scene.classList.toggle("cable-is-cut", state.cableCut);
  scene.classList.toggle("someone", Boolean(state.pedestrian));
  scene.dataset.rain = state.rain;
  if (there) {
    const x = SENSOR_X + there.offsetMm * scale.perMm;
    vehicle.setAttribute("transform", `translate(${x.toFixed(1)} ${GROUND}) scale(${scale.perMm})`);
  }
  if (state.pedestrian) {
    const x = SENSOR_X + (state.pedestrian.progress - 0.5) * 900 * scale.perMm;
    pedestrian.setAttribute("transform", `translate(${x.toFixed(1)} ${GROUND}) scale(${scale.perMm})`);
  }
  if (state.sample) showSample(state.sample);
  else draw();
  describe(state);
}

export function showSample(sample) {
  outcome = sample.outcome;
  distance = sample.distanceMm;
  draw();
}

export const showLamp = (colour) => paint(part("lamp"), colour);

function draw() {
  scene.dataset.outcome = outcome;
  const top = scale.sensorY;
  const reach = (distance ?? scale.floorMm) * scale.perMm;
  const half = reach * SPREAD;
  const end = top + reach;
  // A beam's front is an arc around the sensor.
  const arc = `${(SENSOR_X - half).toFixed(1)} ${(end - half * 0.12).toFixed(1)}Q${SENSOR_X} ${(end + half * 0.12).toFixed(1)} ${(SENSOR_X + half).toFixed(1)} ${(end - half * 0.12).toFixed(1)}`;
  cone.setAttribute("d", outcome === "" ? "" : `M${SENSOR_X} ${top}L${arc}Z`);
  front.setAttribute("d", distance == null ? "" : `M${arc}`);
  dimensionLine.setAttribute("d", distance == null ? "" : `M${SENSOR_X} ${top + 3}V${(end - 2).toFixed(1)}`);
  dimensionText.textContent = distance == null ? (outcomes[outcome] ?? "") : millimetres(distance);
  dimensionText.setAttribute("x", SENSOR_X + Math.max(12, half * 0.55) + 8);
  dimensionText.setAttribute("y", (top + Math.max(14, Math.min(reach * 0.5, 60))).toFixed(1));
}

function describe(state) {
  const who = state.vehicle ? `a ${state.vehicle.vehicle} ${state.vehicle.motion}` : "no vehicle";
  const rain = state.rain === "none" ? "dry" : `${state.rain} rain`;
  title.textContent = `The bay from the side: ${who}, ${state.pedestrian ? "somebody under the sensor, " : ""}${rain}.`;
}
