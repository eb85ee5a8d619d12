// What the hub's pages have in common: parts that follow the server, times, and questions before something is lost.

import { complain } from "./api.js";
import { follow } from "./live.js";
import { lasted } from "./words.js";

const part = (id) => document.getElementById(id);

// What the server said of an element: scripts write into times, so the element itself does not tell.
const told = new WeakMap();
for (const child of document.querySelectorAll("main [data-key]")) told.set(child, child.outerHTML);

// Puts what the server rendered in the place of what was there. What is the same stays, and so do the focus, what is
// unfolded and how far a list is scrolled: somebody may be reading it.
export function patch(container, html) {
  if (told.get(container) === html) return;
  told.set(container, html);
  const fresh = document.createElement("template");
  fresh.innerHTML = html;
  const before = new Map([...container.children].map((child) => [child.dataset.key, child]));
  const focused = container.contains(document.activeElement) ? document.activeElement : null;
  const scrolled = container.scrollTop;
  const children = [...fresh.content.children].map((child) => {
    const old = before.get(child.dataset.key);
    if (old && told.get(old) === child.outerHTML) return old;
    told.set(child, child.outerHTML);
    if (old?.open) child.open = true;
    if (old?.querySelector("[data-keep][open]")) child.querySelector("[data-keep]").open = true;
    return child;
  });
  container.replaceChildren(...children);
  times(container);
  container.scrollTop = scrolled;
  if (focused) again(container, focused)?.focus({ preventScroll: true });
}

// The element, or the one that does the same in what took its place.
function again(container, element) {
  if (element.isConnected) return element;
  const key = element.closest("[data-key]")?.dataset.key;
  const row = [...container.children].find((child) => child.dataset.key === key);
  const name = element.dataset.do ? `[data-do="${element.dataset.do}"]` : element.localName;
  return row?.matches(name) ? row : row?.querySelector(name);
}

export function times(root = document) {
  for (const time of root.querySelectorAll("time[data-ago]")) {
    const text = lasted(Math.abs(Date.now() - Date.parse(time.dateTime)));
    if (time.textContent !== text) time.textContent = text;
    time.title = new Date(time.dateTime).toLocaleString("en-GB");
  }
}
setInterval(times, 1000);
times();

// Follows the page's parts; `changed` hears of each, `gone` when what the page is about was deleted.
export function followParts({ changed, gone } = {}) {
  const end = follow(part("main").dataset.stream, {
    part: ({ id, html }) => {
      const container = part(id);
      if (!container) return;
      patch(container, html);
      changed?.(id);
    },
    gone: () => {
      end();
      gone?.();
    },
  });
}

const dialog = part("ask");

// A menu goes when something else is looked for.
addEventListener("click", ({ target }) => {
  for (const menu of document.querySelectorAll(".menu[open]")) if (!menu.contains(target) && !dialog.contains(target)) menu.open = false;
});
addEventListener("keydown", (event) => {
  const menu = event.key === "Escape" && !dialog.open && document.querySelector(".menu[open]");
  if (!menu) return;
  menu.open = false;
  menu.querySelector("summary").focus();
});

// Asks before something is lost.
export function ask(title, text, yes) {
  part("ask-title").textContent = title;
  part("ask-text").textContent = text;
  part("ask-yes").textContent = yes;
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((decide) => dialog.addEventListener("close", () => decide(dialog.returnValue === "yes"), { once: true }));
}

// Copies without showing, where the browser lets a page do that; says whether it did.
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

export function say(output, state, text) {
  output.hidden = false;
  output.dataset.state = state;
  output.textContent = text;
}

// A button tells for a moment what came of pressing it.
export function flash(button, text) {
  const was = (button.dataset.was ??= button.textContent);
  button.textContent = text;
  setTimeout(() => (button.textContent = was), 2000);
}

export const quietly = (promise) => promise.catch(complain);
export const element = (name, className, text) => {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text != null) made.textContent = text;
  return made;
};
