// Server-sent events, only while somebody looks: a browser has six connections to one origin, and tabs share them.

const badge = document.getElementById("live");
const sources = [];

// `path` may be a function: a stream that goes on where it was has another address each time. Returns what ends it.
export function follow(path, handlers, { onopen } = {}) {
  const entry = { path, handlers, onopen, source: null, open: false };
  sources.push(entry);
  if (!document.hidden) open(entry);
  return () => {
    close(entry);
    sources.splice(sources.indexOf(entry), 1);
  };
}

function open(entry) {
  const source = new EventSource(typeof entry.path === "function" ? entry.path() : entry.path);
  entry.source = source;
  source.onopen = () => {
    entry.open = true;
    show();
    entry.onopen?.();
  };
  source.onerror = () => {
    entry.open = false;
    show();
    // A refused stream is not tried again by the browser.
    if (source.readyState === EventSource.CLOSED) setTimeout(() => entry.source === source && !document.hidden && open(entry), 2000);
  };
  for (const [name, handle] of Object.entries(entry.handlers)) {
    source.addEventListener(name, (event) => handle(JSON.parse(event.data)));
  }
}

function close(entry) {
  entry.source?.close();
  entry.source = null;
  entry.open = false;
}

let wasUp = false;
function show() {
  const up = sources.every((entry) => entry.open);
  wasUp ||= up;
  badge.dataset.state = up ? "up" : wasUp ? "down" : "waiting";
  const word = up ? "live" : wasUp ? "reconnecting" : "connecting";
  if (badge.textContent !== word) badge.textContent = word;
}

document.addEventListener("visibilitychange", () => {
  for (const entry of sources) {
    if (document.hidden) close(entry);
    else if (!entry.source) open(entry);
  }
});
addEventListener("pagehide", () => sources.forEach(close));
addEventListener("pageshow", (event) => event.persisted && sources.forEach((entry) => entry.source || open(entry)));
