// What happens on the wires, newest first.

import { brief, clock, plain, summary } from "./words.js";

const MOST = 250;
const list = document.getElementById("stream");
const empty = document.getElementById("stream-empty");
const pause = document.getElementById("stream-pause");
let held = null;

const make = (name, className, text) => {
  const element = document.createElement(name);
  if (className) element.className = className;
  if (text != null) element.textContent = text;
  return element;
};

const readers = {
  message: (o) => ({ group: "message", what: o.output ?? "telemetry", text: summary(o.output, o.body), routes: o.routes ?? [], quiet: o.body?.heartbeat, detail: { properties: o.properties, body: o.body, bytes: o.bytes } }),
  delivered: (o) => ({ group: "delivered", what: "acknowledged", text: `input ${o.input}`, detail: o }),
  twin: (o) => ({ group: "twin", what: plain(o.section), text: `version ${o.version} · ${brief(o.patch)}`, detail: o.patch }),
  method: (o) => ({ group: "method", what: o.name, text: `${o.status} in ${o.durationMs} ms`, bad: o.status >= 400, detail: o }),
  connection: (o) => ({ group: "link", what: o.state, text: o.reason ?? "", bad: o.state !== "connected" }),
  provisioning: (o) => ({ group: "link", what: `registration ${o.state}`, text: o.hub ?? o.reason, bad: o.state !== "assigned", detail: o }),
  upstream: (o) => ({ group: "link", what: `upstream ${o.state}`, text: o.pending ? `${o.pending} waiting` : "nothing waits", bad: o.state === "cut" }),
  lever: (o) => ({ group: "link", what: "lever", text: o.text ?? brief(o) }),
};

export function observe(observation) {
  const read = readers[observation.kind]?.(observation);
  if (!read) return;
  if (held) {
    held.push(observation);
    if (held.length > MOST) held.shift();
    pause.textContent = `Go on (${held.length})`;
    return;
  }
  empty.hidden = true;
  list.prepend(row(observation, read));
  while (list.children.length > MOST) list.lastChild.remove();
}

function row(observation, read) {
  const item = make("li", `event event-${read.group}${read.quiet ? " event-quiet" : ""}${read.bad ? " event-bad" : ""}`);
  item.dataset.group = read.group;
  const head = make(read.detail === undefined ? "div" : "summary", "event-head");
  const time = make("time", "event-time", clock(observation.time));
  time.dateTime = observation.time;
  head.append(time, make("span", "event-who", observation.moduleId ?? "device"), make("span", "event-what", read.what), make("span", "event-text", read.text));
  const routes = make("span", "event-routes");
  for (const route of read.routes ?? []) {
    const chip = make("span", "route", route.to);
    chip.title = `route ${route.name}`;
    routes.append(chip);
  }
  head.append(routes);
  if (read.detail === undefined) {
    item.append(head);
    return item;
  }
  const details = make("details");
  details.append(head);
  // Most are never opened.
  details.addEventListener("toggle", () => {
    if (details.open && !details.querySelector("pre")) {
      if (read.routes?.length) details.append(make("p", "small", read.routes.map((route) => `${route.name} → ${route.to}`).join(", ")));
      details.append(make("pre", "json", JSON.stringify(read.detail, null, 2)));
    }
  });
  item.append(details);
  return item;
}

for (const chip of document.querySelectorAll("[data-filter]")) {
  const apply = () => list.classList.toggle(`hide-${chip.dataset.filter}`, chip.getAttribute("aria-pressed") !== "true");
  apply();
  chip.addEventListener("click", () => {
    chip.setAttribute("aria-pressed", chip.getAttribute("aria-pressed") !== "true");
    apply();
  });
}

pause.addEventListener("click", () => {
  const waiting = held;
  held = held ? null : [];
  pause.setAttribute("aria-pressed", Boolean(held));
  pause.textContent = held ? "Go on" : "Pause";
  waiting?.forEach(observe);
});
document.getElementById("stream-clear").addEventListener("click", () => {
  list.replaceChildren();
  empty.hidden = false;
});
