// Commissioning: find a board by its code, aim its sensor, calibrate and test it.

import { api } from "./forms.js";
import { say } from "./words.js";

const aim = document.getElementById("aim");
const outcome = document.getElementById("outcome");

function tell(text, isBad) {
  const line = document.createElement("p");
  line.className = isBad ? "form-problem" : "notice";
  line.textContent = text;
  outcome.replaceChildren(line);
}

const ask = (path) => api("POST", `/api/bays/${aim.dataset.bay}/${path}`);

function measuring() {
  const button = document.getElementById("measure");
  const distances = [];
  const isOn = () => button.getAttribute("aria-pressed") === "true";
  async function measure() {
    while (isOn()) {
      const { body, refused } = await ask("measure");
      if (!isOn()) return;
      if (refused) {
        document.getElementById("distance").textContent = "–";
        document.getElementById("echoes").textContent = refused.detail;
      } else {
        document.getElementById("distance").textContent = `${body.distanceMm} mm`;
        document.getElementById("echoes").textContent = say("echoes", { echoes: body.echoCount, bursts: body.burstCount, spread: body.spreadMm });
      }
      distances.push(refused ? null : body.distanceMm);
      draw(distances.slice(-60));
      await new Promise((done) => setTimeout(done, 500));
    }
  }
  button.addEventListener("click", () => {
    button.setAttribute("aria-pressed", String(!isOn()));
    if (isOn()) measure();
  });
}

function draw(distances) {
  const most = Math.max(1000, ...distances.filter((distance) => distance !== null));
  const points = distances.map((distance, at) => [at * 10, distance]).filter(([, distance]) => distance !== null);
  document.querySelector("#trace polyline").setAttribute("points", points.map(([x, distance]) => `${x},${78 - (76 * distance) / most}`).join(" "));
}

async function once(button, act) {
  button.disabled = true;
  try {
    await act();
  } finally {
    button.disabled = false;
  }
}

function acts() {
  const on = (id, act) => document.getElementById(id).addEventListener("click", (event) => once(event.currentTarget, act));
  on("identify", async () => {
    const { refused } = await ask("identify");
    tell(refused ? refused.detail : say("blinks"), refused);
  });
  on("calibrate", async () => {
    const { body, refused } = await ask("calibrate");
    tell(refused ? refused.detail : say("calibrated", { distance: body.floorDistanceMm }), refused);
  });
  on("test", async () => {
    const { body, refused } = await api("POST", `/devices/${aim.dataset.device}/test`);
    if (refused) return tell(refused.detail, true);
    const parts = body.parts.map((part) => `${part.passed ? "✓" : "✗"} ${part.part}${part.message ? `: ${part.message}` : ""}`);
    tell(parts.join("\n"), !body.passed);
  });
}

// A browser that reads codes itself reads them from the camera or from a picture; the others have the field.
async function scanning() {
  if (!("BarcodeDetector" in window)) return;
  const detector = new BarcodeDetector({ formats: ["qr_code", "data_matrix", "code_128"] });
  const serial = document.getElementById("serial");
  const found = ([code]) => {
    if (!code) return false;
    serial.value = code.rawValue;
    document.getElementById("find").requestSubmit();
    return true;
  };
  const picture = document.getElementById("scan-picture");
  picture.hidden = false;
  picture.querySelector("input").addEventListener("change", async (event) => {
    const image = await createImageBitmap(event.target.files[0]);
    if (!found(await detector.detect(image))) alert(say("no_code"));
  });
  if (!navigator.mediaDevices?.getUserMedia) return;
  const button = document.getElementById("scan");
  const video = document.getElementById("camera");
  button.hidden = false;
  button.addEventListener("click", async () => {
    const stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } }).catch(() => null);
    if (!stream) return alert(say("no_camera"));
    video.srcObject = stream;
    video.hidden = false;
    await video.play();
    while (!found(await detector.detect(video).catch(() => []))) await new Promise((done) => setTimeout(done, 200));
    stream.getTracks().forEach((track) => track.stop());
  });
}

if (aim) {
  measuring();
  acts();
}
if (document.getElementById("find")) scanning();
