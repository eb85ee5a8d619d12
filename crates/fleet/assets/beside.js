// The list beside the map: the bays that are seen on it, those whose number is looked for, and those without a place.

import { labelOf, signs } from "./markers.js";
import { say } from "./words.js";

// A list nobody reads to its end helps nobody.
const MOST = 100;
const numbers = new Intl.NumberFormat(document.documentElement.lang);
const byNumber = new Intl.Collator(document.documentElement.lang, { numeric: true });

export class Beside {
  #project;
  #list = document.getElementById("list");
  #note = document.getElementById("list-note");
  #find = document.getElementById("find");
  #put;
  #seen = { bays: [], grouped: 0, unplaced: [] };
  #found = null;

  // `put` is called with a bay without a place that is to be put on the map.
  constructor(project, put) {
    [this.#project, this.#put] = [project, put];
    let timer = null;
    this.#find.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(() => this.#look(), 200);
    });
    this.#find.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#look();
    });
  }

  set(seen) {
    this.#seen = seen;
    if (!this.#found) this.#show();
  }

  async #look() {
    const number = this.#find.elements.number.value.trim();
    if (!number) {
      this.#found = null;
      return this.#show();
    }
    const query = new URLSearchParams({ projectId: this.#project, contains: number, limit: MOST });
    const answer = await fetch(`/api/bays?${query}`);
    // Another number may have been written since.
    if (!answer.ok || number !== this.#find.elements.number.value.trim()) return;
    this.#found = (await answer.json()).items;
    this.#show();
  }

  #show() {
    const bays = (this.#found ?? this.#seen.bays).toSorted((a, b) => byNumber.compare(a.number, b.number)).slice(0, MOST);
    const lines = bays.map((bay) => this.#line(bay));
    if (!this.#found && this.#seen.unplaced.length) {
      const head = document.createElement("li");
      head.className = "map-list-head";
      head.textContent = say("unplaced");
      lines.push(head, ...this.#seen.unplaced.map((bay) => this.#line(bay, true)));
    }
    const held = this.#list.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    this.#list.replaceChildren(...lines);
    if (held) this.#list.querySelector(`[href="${CSS.escape(held)}"]`)?.focus();
    const { grouped } = this.#seen;
    this.#note.textContent = this.#found ? (bays.length ? "" : say("none_found")) : grouped ? say("too_many", { count: numbers.format(grouped) }) : "";
  }

  #line(bay, isUnplaced) {
    const line = document.createElement("li");
    const link = line.appendChild(document.createElement("a"));
    link.href = `/bays/${bay.id}`;
    link.dataset.sign = bay.sign;
    const symbol = link.appendChild(document.createElement("span"));
    symbol.className = "map-list-sign";
    symbol.ariaHidden = true;
    symbol.textContent = signs.get(bay.sign).symbol;
    link.append(labelOf(bay));
    if (isUnplaced && this.#put) {
      const button = line.appendChild(document.createElement("button"));
      button.textContent = say("put_here");
      button.addEventListener("click", () => this.#put(bay));
    }
    return line;
  }
}
