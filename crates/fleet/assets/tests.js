// What devices answer when they are asked to test their parts: one answer, or those of a whole order.

import { say } from "./words.js";

const place = document.getElementById("report");

const make = (name, className, ...content) => {
  const element = document.createElement(name);
  if (className) element.className = className;
  element.append(...content);
  return element;
};

function report(tested) {
  const head = make("p", "", make("b", "", tested.deviceId), " ", make("span", tested.passed ? "badge" : "badge badge-bad", say(tested.passed ? "passed" : "not_passed")));
  const parts = (tested.report?.parts ?? []).map((part) => {
    const said = part.message ?? (typeof part.value === "object" ? "" : part.value) ?? "";
    return make("div", "line", make("span", "", make("b", "", part.part), make("small", "", String(said))), make("span", part.passed ? "badge" : "badge badge-bad", say(part.passed ? "works" : "does_not_work")));
  });
  return make("div", "tested", head, ...(tested.problem ? [make("p", "form-problem", tested.problem)] : []), ...parts);
}

document.addEventListener("submit", (event) => {
  if (!event.target.matches("[data-test]")) return;
  place.hidden = false;
  place.replaceChildren(make("p", "soft", say("testing")));
});

document.addEventListener("done", (event) => {
  if (!event.target.matches("[data-test]")) return;
  const all = event.detail.devices ?? [event.detail];
  place.replaceChildren(...all.map(report));
});

document.addEventListener("refused", (event) => {
  if (event.target.matches("[data-test]")) place.hidden = true;
});
