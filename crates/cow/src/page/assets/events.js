// Events as they arrive, newest first. A hub may be faster than any page: what is not shown is counted, and said.

import { element } from "./hub.js";
import { follow } from "./live.js";
import { brief, clock, plain } from "./words.js";

// Rows in the list; what is older is looked up with a filter.
const SHOWN = 300;
// Events that wait while the list is held still.
const HELD = 5000;

const part = (id) => document.getElementById(id);
const list = part("event-list");
const pause = part("event-pause");
const form = part("event-filter");
const { device, module } = part("main").dataset;

let next = null;
let held = null;
let queue = [];
let seen = 0;
let missed = 0;
let dropped = 0;

function address() {
  const wanted = form ? new URLSearchParams(new FormData(form)) : new URLSearchParams({ of: module ? `${device}/${module}` : device });
  if (next !== null) wanted.set("from", next);
  return `/events/stream?${wanted}`;
}

function take({ events, missed: skipped }) {
  missed += skipped;
  for (const event of events) {
    next = event.sequenceNumber + 1;
    if (held) {
      held.push(event);
      if (held.length > HELD) {
        held.shift();
        dropped += 1;
      }
    } else {
      queue.push(event);
    }
  }
  show();
}

const sources = { Telemetry: "telemetry", twinChangeEvents: "twin change", deviceLifecycleEvents: "lifecycle", deviceConnectionStateEvents: "connection", digitalTwinChangeEvents: "digital twin", deviceJobLifecycleEvents: "job" };

// Once a frame, and never more rows than there is room for: a burst must not stop the tab.
let due = false;
function show() {
  if (due) return;
  due = true;
  requestAnimationFrame(() => {
    due = false;
    seen += queue.length;
    const rows = queue.slice(-SHOWN).map(row).reverse();
    queue = [];
    if (rows.length > 0) list.prepend(...rows);
    while (list.children.length > SHOWN) list.lastChild.remove();
    const count = (number) => number.toLocaleString("en-GB");
    part("event-state").textContent = held ? `held still, ${count(held.length)} waiting` : seen === 0 ? "no event yet" : `${count(seen)} received${seen > SHOWN ? `, the newest ${SHOWN} shown` : ""}`;
    pause.textContent = held ? (held.length ? `Go on (${count(held.length)})` : "Go on") : "Pause";
    const lost = [missed && `${count(missed)} not looked at, because the hub was faster than this page`, dropped && `${count(dropped)} let go, because the page was held still for too long`].filter(Boolean);
    part("event-missed").hidden = lost.length === 0;
    part("event-missed").textContent = lost.join("; ");
  });
}

function row(event) {
  const item = element("li", "event");
  const details = element("details");
  const head = element("summary", "event-head");
  const time = element("time", "event-time", clock(event.enqueuedTime));
  time.dateTime = event.enqueuedTime;
  const source = event.systemProperties["iothub-message-source"];
  const what = event.systemProperties.outputName ?? sources[source] ?? plain(source);
  const properties = Object.entries(event.properties).map(([name, value]) => `${name}=${value}`).join(" ");
  const routes = element("span", "event-routes");
  if (properties) routes.append(element("span", "badge badge-tag", brief(properties, 40)));
  head.append(time, element("span", "event-who", event.moduleId ? `${event.deviceId}/${event.moduleId}` : event.deviceId), element("span", "event-what", what), element("span", "event-text", brief(event.body ?? `${event.bodyBase64 ?? ""}`, 160)), routes);
  details.append(head);
  // Most are never opened.
  details.addEventListener("toggle", () => {
    if (details.open && !details.querySelector("pre")) details.append(element("pre", "json", JSON.stringify(event, null, 2)));
  });
  item.append(details);
  return item;
}

pause.addEventListener("click", () => {
  const waiting = held;
  held = held ? null : [];
  pause.setAttribute("aria-pressed", Boolean(held));
  if (waiting) queue.push(...waiting);
  show();
});
part("event-clear").addEventListener("click", () => {
  list.replaceChildren();
  seen = missed = dropped = 0;
  if (held) held = [];
  show();
});

let end = follow(address, { batch: take }, { onopen: show });
form?.addEventListener("submit", (event) => {
  event.preventDefault();
  end();
  [next, queue, seen, missed, dropped] = [null, [], 0, 0, 0];
  if (held) held = [];
  list.replaceChildren();
  // The address can be kept, and sent to somebody else.
  const wanted = [...new FormData(form)].filter(([, value]) => value);
  history.replaceState(null, "", `/events?${new URLSearchParams(wanted)}`);
  end = follow(address, { batch: take }, { onopen: show });
});
