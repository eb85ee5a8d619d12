// The map: what is seen of a project's bays, as it changes, and bays that are put where they are.

import { arranging } from "./arrange.js";
import { Beside } from "./beside.js";
import { Camera, earth, plan } from "./camera.js";
import { api } from "./forms.js";
import { steer } from "./gestures.js";
import { Markers } from "./markers.js";
import { tileLayer } from "./tiles.js";
import { explain, say } from "./words.js";

// So much around what is seen is asked for too, in parts of it: a small move asks for nothing new.
const AROUND = 0.25;
// Points of the screen for each bay or group: more than that fit are asked for as groups.
const ROOM = 3000;
// Moves that follow each other are asked for as one, in milliseconds.
const SETTLE = 150;

const map = document.getElementById("map");
const badge = document.getElementById("live");

function start() {
  const { project, home, tiles } = map.dataset;
  const isEarth = map.dataset.ground === "earth";
  const svg = map.querySelector("svg");
  const camera = new Camera(isEarth ? earth : plan(Number(map.dataset.ratio), Number(map.dataset.size)));
  const markers = new Markers(svg, camera, ({ x, y }) => {
    camera.zoom(3, camera.onScreen({ x, y }));
    moved();
    map.focus();
  });
  const arrange = arranging(map, camera, markers, isEarth ? { x: "longitude", y: "latitude" } : { x: "planX", y: "planY" });
  const beside = new Beside(project, document.getElementById("arrange") && (async (bay) => {
    if (await arrange.putHere(bay)) follow();
  }));
  const drawTiles = isEarth ? tileLayer(map.querySelector(".tiles"), camera, { template: tiles, maxZoom: Number(map.dataset.maxZoom) }) : null;
  const drawGround = isEarth ? () => {} : planLayer(svg, camera);
  let unplaced = [];
  let timer = null;
  let asked = null;
  let source = null;

  function draw() {
    drawGround();
    drawTiles?.();
    markers.draw();
  }

  function all() {
    if (!isEarth) return camera.fit(camera.ground.whole);
    if (!home) return camera.fit(earth.whole);
    const [west, south, east, north] = home.split(",").map(Number);
    const [upper, lower] = [earth.flat({ x: west, y: north }), earth.flat({ x: east, y: south })];
    camera.fit({ left: upper.x, top: upper.y, right: lower.x, bottom: lower.y }, 0.25);
    // One bay would fill the screen: what is around it says where it is.
    const street = 256 * 2 ** 19;
    if (camera.scale > street) camera.zoom(street / camera.scale);
  }

  function moved() {
    draw();
    history.replaceState({ x: camera.x, y: camera.y, scale: camera.scale }, "");
    clearTimeout(timer);
    timer = setTimeout(() => (isAsked() ? list() : follow()), SETTLE);
  }

  const list = () => beside.set({ ...markers.seen(), unplaced });

  // Whether what is seen was asked for, and about as near.
  function isAsked() {
    if (!asked || asked.scale !== camera.scale) return false;
    const [seen, { frame }] = [camera.frame(), asked];
    const isBelow = isEarth ? frame.top >= seen.top && frame.bottom <= seen.bottom : frame.top <= seen.top && frame.bottom >= seen.bottom;
    return frame.left <= seen.left && frame.right >= seen.right && isBelow;
  }

  function take({ bays, clusters, unplaced: homeless, counts }) {
    unplaced = homeless;
    markers.set(bays, clusters);
    count(counts);
    list();
  }

  function follow() {
    source?.close();
    clearTimeout(timer);
    asked = { frame: camera.frame(AROUND), scale: camera.scale };
    const screen = camera.width * (1 + 2 * AROUND);
    const query = new URLSearchParams({
      ground: map.dataset.ground,
      ...asked.frame,
      most: Math.round(Math.min(500, Math.max(40, (screen * camera.height * (1 + 2 * AROUND)) / ROOM))),
      // Whoever puts bays has to get hold of each, and nearer than this nobody can come.
      apart: arrange.isOn() || camera.isClosest ? 0 : Math.min(1, (camera.bay * 0.9) / screen),
    });
    const opened = new EventSource(`/api/projects/${project}/map/live?${query}`);
    source = opened;
    const state = (name, text) => {
      badge.hidden = false;
      badge.dataset.state = name;
      badge.textContent = say(text);
    };
    opened.onopen = () => state("up", "live");
    opened.onerror = () => {
      state("down", "reconnecting");
      // A refused stream is not tried again by the browser.
      if (opened.readyState === EventSource.CLOSED) setTimeout(() => source === opened && follow(), 3000);
    };
    opened.addEventListener("map", (event) => take(JSON.parse(event.data)));
    opened.addEventListener("counts", (event) => count(JSON.parse(event.data).counts));
    opened.addEventListener("bays", (event) => {
      markers.change(JSON.parse(event.data).bays);
      list();
    });
  }

  // A plan needs no more room than its picture.
  function lower() {
    if (!isEarth) map.style.maxHeight = `${Math.max(300, map.clientWidth * Number(map.dataset.ratio) + 2)}px`;
  }

  async function begin() {
    lower();
    const { width, height } = map.getBoundingClientRect();
    camera.resize(width, height);
    all();
    if (history.state?.scale) Object.assign(camera, history.state);
    else if (map.dataset.bay) await approach(map.dataset.bay);
    camera.zoom(1);
    draw();
    follow();
  }

  // Begins with one bay, where somebody has said where it is.
  async function approach(id) {
    const { body } = await api("GET", `/api/bays/${encodeURIComponent(id)}`);
    const place = isEarth ? { x: body?.longitude, y: body?.latitude } : { x: body?.planX, y: body?.planY };
    if (place.x === undefined || place.y === undefined) return;
    const { x, y } = camera.ground.flat(place);
    const factor = isEarth ? (256 * 2 ** 20) / camera.scale : 44 / camera.bay;
    Object.assign(camera, { x, y });
    if (factor > 1) camera.zoom(factor);
  }

  steer(map, camera, { isFree: arrange.isFree, moved, all });
  map.addEventListener("again", follow);
  addEventListener("resize", lower);
  new ResizeObserver(() => {
    const { width, height } = map.getBoundingClientRect();
    if (width === camera.width && height === camera.height) return;
    camera.resize(width, height);
    if (asked) moved();
  }).observe(map);
  document.addEventListener("visibilitychange", () => (document.hidden ? source?.close() : follow()));
  addEventListener("pagehide", () => source?.close());
  addEventListener("pageshow", (event) => event.persisted && follow());
  begin();
}

// The plan: the picture somebody has uploaded, or an empty ground.
function planLayer(svg, camera) {
  const name = map.dataset.plan ? "image" : "rect";
  const ground = document.createElementNS("http://www.w3.org/2000/svg", name);
  if (map.dataset.plan) ground.setAttribute("href", map.dataset.plan);
  ground.setAttribute("class", "ground");
  svg.prepend(ground);
  return () => {
    const { x, y } = camera.flatOnScreen(0, 0);
    const { right, bottom } = camera.ground.whole;
    for (const [key, value] of Object.entries({ x, y, width: right * camera.scale, height: bottom * camera.scale })) ground.setAttribute(key, value);
  };
}

function count(counts) {
  document.getElementById("free").textContent = counts.free ?? 0;
  for (const entry of document.querySelectorAll(".legend [data-sign]")) entry.querySelector("[data-count]").textContent = counts[entry.dataset.sign] ?? 0;
}

function uploading() {
  document.getElementById("plan-file")?.addEventListener("change", async (event) => {
    const [file] = event.target.files;
    const answer = await fetch(`/api/projects/${event.target.dataset.project}/plan`, { method: "PUT", headers: { "Content-Type": file.type }, body: file });
    if (answer.ok) location.reload();
    else alert(explain(await answer.json()));
  });
}

if (map) {
  start();
  uploading();
}
