// Each module's twin, settings and methods.

import { complain, get, invoke, send, target } from "./api.js";
import * as chart from "./chart.js";

const panels = [...document.querySelectorAll("[role=tabpanel]")];
const tabs = [...document.querySelectorAll("[role=tab]")];

function choose(tab) {
  for (const other of tabs) {
    const chosen = other === tab;
    other.setAttribute("aria-selected", chosen);
    other.tabIndex = chosen ? 0 : -1;
    document.getElementById(other.getAttribute("aria-controls")).hidden = !chosen;
  }
}
for (const tab of tabs) {
  tab.addEventListener("click", () => choose(tab));
  tab.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = tabs[(tabs.indexOf(tab) + step + tabs.length) % tabs.length];
    choose(next);
    next.focus();
  });
}

class Panel {
  constructor(root) {
    this.root = root;
    this.module = root.dataset.module;
    this.rows = [...root.querySelectorAll("[data-setting]")];
    this.desired = {};
    const form = root.querySelector(".settings-form");
    form?.addEventListener("input", () => this.showChanges());
    form?.addEventListener("reset", (event) => {
      event.preventDefault();
      this.fill(true);
    });
    form?.addEventListener("submit", (event) => {
      event.preventDefault();
      this.write();
    });
    const patch = root.querySelector(".patch-form");
    patch.addEventListener("submit", (event) => {
      event.preventDefault();
      this.patch(patch.querySelector("textarea"));
    });
    for (const method of root.querySelectorAll("form.method")) {
      method.addEventListener("submit", (event) => {
        event.preventDefault();
        this.invoke(method);
      });
    }
  }

  show(name, text) {
    const element = this.root.querySelector(`[data-show="${name}"]`);
    if (!element) return;
    element.textContent = text;
    element.hidden = !text;
  }

  async refresh() {
    try {
      this.take(await get(`/control/twins/${target(this.module)}`));
    } catch {
      this.show("versions", "no twin to be had");
    }
  }

  take(twin) {
    const { desired = {}, reported = {} } = twin.properties ?? {};
    this.desired = desired;
    this.show("twin", JSON.stringify(twin, null, 2));
    this.show("versions", `desired version ${desired.$version ?? "–"}, reported version ${reported.$version ?? "–"}`);
    this.show("fault", reported.fault ?? "");
    for (const row of this.rows) this.acknowledge(row, desired, reported[row.dataset.setting]);
    this.fill(false);
    if (reported.occupiedNearerMm !== undefined) chart.setLimit(limit(reported));
  }

  // What the module said of a setting: 200 taken, 203 its own default, 400 refused with the reason.
  acknowledge(row, desired, answer) {
    const name = row.dataset.setting;
    const badge = row.querySelector('[data-show="ack"]');
    const wished = desired[name] !== undefined;
    const wrapped = answer && typeof answer === "object" && "ac" in answer;
    const value = wrapped ? answer.value : answer;
    const wishedAt = desired.$metadata?.[name]?.$lastUpdatedVersion ?? 0;
    let state = "none";
    let text = value === undefined ? "–" : word(value);
    if (wished && (!wrapped || (answer.av ?? 0) < wishedAt)) {
      state = "waiting";
      text = `${text} · not answered yet`;
    } else if (wrapped && answer.ac >= 400) {
      state = "refused";
      text = `${text} · refused: ${answer.ad ?? answer.ac}`;
    } else if (wrapped && wished) {
      state = "taken";
    } else if (wrapped) {
      state = "default";
    }
    badge.dataset.state = state;
    badge.textContent = text;
    badge.title = { taken: "taken", default: answer?.ad || "its own value", refused: "refused, and the value in force", waiting: "wished, and not answered" }[state] ?? "";
  }

  // Fields somebody is typing in are left alone.
  fill(all) {
    for (const row of this.rows) {
      const field = row.querySelector("input, select");
      const wished = this.desired[row.dataset.setting];
      const text = wished === undefined ? "" : word(wished);
      if (all || field.value === (field.dataset.was ?? "")) field.value = text;
      field.dataset.was = text;
    }
    this.showChanges();
  }

  changes() {
    const patch = {};
    for (const row of this.rows) {
      const field = row.querySelector("input, select");
      const changed = field.value.trim() !== (field.dataset.was ?? "");
      row.classList.toggle("changed", changed);
      if (changed) patch[row.dataset.setting] = field.value.trim() === "" ? null : typed(row.dataset.kind, field.value.trim());
    }
    return patch;
  }

  showChanges() {
    const names = Object.keys(this.changes());
    const form = this.root.querySelector(".settings-form");
    if (!form) return;
    form.querySelector("[type=submit]").disabled = form.querySelector("[type=reset]").disabled = names.length === 0;
    this.show("changes", names.length ? `${names.length} to write: ${names.join(", ")}` : "");
  }

  async write() {
    await this.send(this.changes());
    this.fill(true);
  }

  async patch(field) {
    try {
      await this.send(JSON.parse(field.value));
      field.value = "";
    } catch (error) {
      complain(error instanceof SyntaxError ? new Error(`That is no JSON: ${error.message}`) : error);
    }
  }

  async send(desired) {
    try {
      this.take(await send("PATCH", `/control/twins/${target(this.module)}`, { desired }));
    } catch (error) {
      complain(error);
    }
  }

  async invoke(form) {
    const output = form.querySelector(".answer");
    output.hidden = false;
    output.dataset.state = "waiting";
    output.textContent = "waiting for the module …";
    const began = performance.now();
    try {
      const { name, payload } = request(form);
      const answer = await invoke(this.module, name, payload);
      output.dataset.state = answer.status < 400 ? "good" : "bad";
      output.textContent = `${answer.status} after ${Math.round(performance.now() - began)} ms\n${JSON.stringify(answer.payload, null, 2)}`;
    } catch (error) {
      output.dataset.state = "bad";
      output.textContent = error instanceof SyntaxError ? `That is no JSON: ${error.message}` : `${error.code ?? ""} ${error.message}`.trim();
    }
  }
}

// From the sensor, the distance below which hc-sr04 sees a vehicle, by its settings in force.
function limit(reported) {
  const inForce = (name) => reported[name]?.value ?? reported[name];
  const mm = inForce("detection") === "absolute" ? inForce("occupiedAtMm") : inForce("floorDistanceMm") - inForce("occupiedNearerMm");
  return Number.isFinite(mm) ? mm : null;
}

function request(form) {
  const free = form.elements["method-name"];
  if (free) return { name: free.value.trim(), payload: JSON.parse(form.elements["method-payload"].value.trim() || "null") };
  const fields = [...form.querySelectorAll("[data-kind]")].filter((field) => field.value.trim() !== "");
  return { name: form.dataset.method, payload: Object.fromEntries(fields.map((field) => [field.name, typed(field.dataset.kind, field.value.trim())])) };
}

const word = (value) => (typeof value === "string" ? value : JSON.stringify(value));

// What cannot be read as its kind is sent as it was typed: the module says what is wrong with it.
function typed(kind, text) {
  if (kind === "text") return text;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

const made = panels.map((root) => new Panel(root));
export const refresh = () => Promise.all(made.map((panel) => panel.refresh()));

const due = new Set();
export function observe(observation) {
  if (observation.kind !== "twin") return;
  const panel = made.find((one) => one.module === observation.moduleId);
  // A module answers a dozen settings in one breath: the twin is fetched once.
  if (!panel || due.has(panel)) return;
  due.add(panel);
  setTimeout(() => {
    due.delete(panel);
    panel.refresh();
  }, 120);
}
