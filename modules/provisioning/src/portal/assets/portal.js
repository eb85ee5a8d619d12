// The device, live: parts of the page are replaced by what the device says of itself, and nothing is decided here.
import "./setup.js";
import "./picture.js";

const badge = document.getElementById("live");
const main = document.getElementById("main");
const spoken = document.getElementById("say");
let source = null;
// A form is on its way: to load the page again now would take it back.
let leaving = false;

function show(state, word) {
  badge.dataset.state = state;
  if (badge.textContent !== word) badge.textContent = word;
}

function follow() {
  const opened = new EventSource("/live");
  source = opened;
  opened.onopen = () => show("up", "live");
  opened.onerror = () => {
    show("down", "reconnecting");
    // A refused stream is not tried again by the browser: the session is over, or the device restarts.
    if (opened.readyState === EventSource.CLOSED && source === opened) comeBack();
  };
  for (const place of document.querySelectorAll("[data-live]")) {
    opened.addEventListener(place.dataset.live, (event) => replace(place, JSON.parse(event.data)));
  }
  opened.addEventListener("state", (event) => take(JSON.parse(event.data)));
  opened.addEventListener("signed-out", () => location.assign("/sign-in"));
}

function close() {
  source?.close();
  source = null;
}

// The device made this text from its own templates, and escaped what others said.
function replace(place, html) {
  const focused = place.contains(document.activeElement) ? document.activeElement.id : "";
  const unfolded = place.querySelector("details")?.open;
  place.innerHTML = html;
  if (unfolded) place.querySelector("details")?.setAttribute("open", "");
  if (focused) document.getElementById(focused)?.focus();
}

function take({ busy, shape, say }) {
  if (shape !== main.dataset.shape) {
    if (!leaving) location.reload();
    return;
  }
  for (const button of document.querySelectorAll("[data-busy-off]")) button.disabled = busy;
  if (spoken.textContent !== say) spoken.textContent = say;
}

async function comeBack() {
  close();
  while (!document.hidden) {
    try {
      const answer = await fetch("/?refresh=1", { redirect: "manual", cache: "no-store" });
      if (answer.type === "opaqueredirect") return location.assign("/sign-in");
      if (answer.ok) return follow();
    } catch {
      // It does not answer yet.
    }
    await new Promise((resolve) => setTimeout(resolve, 1500));
  }
}

// A phone in a pocket need not be told.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) close();
  else if (!source) follow();
});
addEventListener("pagehide", close);
addEventListener("pageshow", (event) => event.persisted && location.reload());

// What takes a moment must not be sent twice by an impatient finger.
document.addEventListener("submit", (event) => {
  if (event.defaultPrevented) return;
  if (event.target.dataset.sent) event.preventDefault();
  event.target.dataset.sent = "yes";
  leaving = true;
});

follow();
