// Parts of a page that stay as they are in the database: <section id="lines" data-fresh="order device">.
// When something of these kinds changes, the page is asked for again and the parts take their new content. One that is not
// on it any more stays as it is; with data-gone="reload" the page has come to another step, and is loaded.

import { say } from "./words.js";

const parts = () => [...document.querySelectorAll("[data-fresh][id]")];
const kinds = new Set(parts().flatMap((part) => part.dataset.fresh.split(" ")));
const badge = document.getElementById("live");
let source = null;
let asking = false;
let again = false;

async function refresh() {
  // Whatever is being written must not be taken away.
  if (asking) return void (again = true);
  asking = true;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (!answer.ok || answer.redirected) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of parts()) {
      const fresh = page.getElementById(part.id);
      if (!fresh && part.dataset.gone === "reload") return location.reload();
      if (!fresh || part.contains(document.activeElement) && document.activeElement.matches("input, textarea, select")) continue;
      for (const open of part.querySelectorAll("details[open][id]")) fresh.querySelector(`#${CSS.escape(open.id)}`)?.setAttribute("open", "");
      if (plain(part) === plain(fresh)) continue;
      part.replaceChildren(...fresh.childNodes);
      part.dispatchEvent(new Event("fresh", { bubbles: true }));
    }
  } finally {
    asking = false;
    if (again) {
      again = false;
      setTimeout(refresh, 150);
    }
  }
}

// As it came: times are written anew once they are here.
function plain(part) {
  const copy = part.cloneNode(true);
  copy.querySelectorAll("time").forEach((time) => time.replaceChildren());
  copy.querySelectorAll("time").forEach((time) => { time.removeAttribute("title"); delete time.dataset.shown; });
  return copy.innerHTML;
}

function show(state) {
  if (!badge) return;
  badge.hidden = false;
  badge.dataset.state = state;
  badge.textContent = { up: say("live"), down: say("reconnecting"), waiting: say("connecting") }[state];
}

function open() {
  if (source || document.hidden || !kinds.size) return;
  source = new EventSource("/live");
  let first = true;
  source.onopen = () => {
    show("up");
    if (!first) refresh();
    first = false;
  };
  source.onerror = () => {
    show("down");
    // A refused stream is not tried again by the browser: the session may be over.
    if (source.readyState === EventSource.CLOSED) setTimeout(() => { close(); open(); refresh(); }, 3000);
  };
  for (const kind of [...kinds, "everything"]) source.addEventListener(kind, refresh);
}

function close() {
  source?.close();
  source = null;
}

if (kinds.size) {
  show("waiting");
  open();
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : (open(), refresh())));
  addEventListener("pagehide", close);
  addEventListener("pageshow", (event) => event.persisted && (open(), refresh()));
}
