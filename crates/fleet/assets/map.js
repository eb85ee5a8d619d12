// The map: bays as they change, and bays that are put where they are.

import { api } from "./forms.js";
import { say } from "./words.js";

const map = document.getElementById("map");
const badge = document.getElementById("live");
const free = document.getElementById("free");
const words = new Map([...document.querySelectorAll(".legend [data-sign]")].map((entry) => [entry.dataset.sign, { word: entry.querySelector(".legend-word").textContent, symbol: entry.dataset.symbol }]));

const marker = (id) => document.getElementById(`bay-${id}`);

function show(bay) {
  const element = marker(bay.id);
  // A bay that is new has no marker yet, and its place is the server's to say.
  if (!element) return location.reload();
  element.dataset.version = bay.version;
  element.dataset.sign = bay.sign;
  element.toggleAttribute("data-mine", bay.isMine);
  const known = words.get(bay.sign);
  element.querySelector(".bay-symbol").textContent = known.symbol;
  element.querySelector(".bay-number").textContent = bay.number;
  element.setAttribute("aria-label", element.getAttribute("aria-label").replace(/[^ ]*: .*$/, `${bay.number}: ${known.word}`));
  if (bay.planX !== undefined && !element.matches(".is-moved")) put(element, bay.planX * 1000, bay.planY * Number(map.dataset.height));
}

function count() {
  free.textContent = map.querySelectorAll('.bay[data-sign="free"]').length;
}

async function readAll() {
  let after = "";
  do {
    const answer = await fetch(`/api/bays?projectId=${map.dataset.project}&limit=500&after=${after}`);
    if (!answer.ok) return;
    const page = await answer.json();
    page.items.forEach(show);
    after = page.next;
  } while (after);
  count();
}

function follow() {
  const source = new EventSource(`/api/bays/live?projectId=${map.dataset.project}`);
  let first = true;
  const state = (name, text) => {
    badge.hidden = false;
    badge.dataset.state = name;
    badge.textContent = say(text);
  };
  source.onopen = () => {
    state("up", "live");
    if (!first) readAll();
    first = false;
  };
  source.onerror = () => {
    state("down", "reconnecting");
    if (source.readyState === EventSource.CLOSED) setTimeout(follow, 3000);
  };
  source.addEventListener("bays", (event) => {
    const { is, gone } = JSON.parse(event.data);
    is.forEach(show);
    gone.forEach((id) => marker(id)?.remove());
    count();
  });
  source.addEventListener("everything", readAll);
  addEventListener("pagehide", () => source.close());
}

// Arranging: drag, or arrow keys on the bay that has the focus.

function put(element, x, y) {
  const height = Number(map.dataset.height);
  x = Math.min(1000, Math.max(0, x));
  y = Math.min(height, Math.max(0, y));
  element.setAttribute("transform", `translate(${x} ${y})`);
  return { planX: x / 1000, planY: y / height };
}

function place(element) {
  return element.getAttribute("transform").match(/-?[\d.]+/g).map(Number);
}

async function keep(element, to) {
  const { body, refused } = await api("PATCH", `/api/bays/${element.dataset.id}`, to, { version: element.dataset.version });
  element.classList.remove("is-moved");
  if (refused) return alert(refused.detail);
  element.dataset.version = body.version;
}

function arrange() {
  const button = document.getElementById("arrange");
  const help = document.getElementById("arrange-help");
  const isOn = () => button.getAttribute("aria-pressed") === "true";
  button.addEventListener("click", () => {
    button.setAttribute("aria-pressed", String(!isOn()));
    map.classList.toggle("is-arranged", isOn());
    help.hidden = !isOn();
  });
  let dragged = null;
  let timer = null;
  map.addEventListener("click", (event) => isOn() && event.preventDefault());
  map.addEventListener("dragstart", (event) => event.preventDefault());
  map.addEventListener("pointerdown", (event) => {
    dragged = isOn() ? event.target.closest(".bay") : null;
    if (!dragged) return;
    map.setPointerCapture(event.pointerId);
    dragged.classList.add("is-moved");
    event.preventDefault();
  });
  const at = (event) => new DOMPoint(event.clientX, event.clientY).matrixTransform(map.getScreenCTM().inverse());
  map.addEventListener("pointermove", (event) => dragged && put(dragged, at(event).x, at(event).y));
  map.addEventListener("pointerup", (event) => {
    if (dragged) keep(dragged, put(dragged, at(event).x, at(event).y));
    dragged = null;
  });
  map.addEventListener("keydown", (event) => {
    const element = event.target.closest(".bay");
    const step = { ArrowLeft: [-5, 0], ArrowRight: [5, 0], ArrowUp: [0, -5], ArrowDown: [0, 5] }[event.key];
    if (!isOn() || !element || !step) return;
    event.preventDefault();
    const [x, y] = place(element);
    element.classList.add("is-moved");
    const to = put(element, x + step[0], y + step[1]);
    clearTimeout(timer);
    timer = setTimeout(() => keep(element, to), 400);
  });
  document.getElementById("plan-file").addEventListener("change", async (event) => {
    const [file] = event.target.files;
    const answer = await fetch(`/api/projects/${event.target.dataset.project}/plan`, { method: "PUT", headers: { "Content-Type": file.type }, body: file });
    if (answer.ok) location.reload();
    else alert((await answer.json()).detail);
  });
}

if (map) {
  follow();
  if (document.getElementById("arrange")) arrange();
}
