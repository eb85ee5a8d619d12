// One device or module: what it is, what it says, and what can be done to it.

import { complain, get, send } from "./api.js";
import { edit } from "./editor.js";
import "./events.js";
import { ask, copy, flash, followParts, quietly, say } from "./hub.js";

const part = (id) => document.getElementById(id);
const { device, module, target, path } = part("main").dataset;
const control = `/control/devices/${encodeURIComponent(device)}`;

// Its connection string, which is in the page only while it is shown.
async function connectionString() {
  const credentials = await get(control);
  const own = module ? credentials.modules.find((one) => one.moduleId === module) : credentials;
  if (!own) throw new Error("The runtime's own modules connect with what the Edge runtime gives them.");
  return own.connectionString;
}

const isEnabled = () => document.querySelector("#facts [data-enabled]").dataset.enabled === "true";

const does = {
  async show() {
    part("secret-text").value = await connectionString();
    part("secret").hidden = false;
    part("secret-text").select();
  },
  async toggle() {
    const enabled = isEnabled();
    const sure = !enabled || (await ask(`Disable ${device}?`, "Its connections end now, and it cannot connect until it is enabled again.", "Disable"));
    if (sure) await send("PATCH", control, { enabled: !enabled });
  },
  async delete() {
    const sure = await ask(`Delete ${device}?`, "Its twin, its modules, its keys and the messages that wait for it go with it. This cannot be taken back.", "Delete");
    if (!sure) return;
    await send("DELETE", control);
    location.assign("/devices");
  },
};
part("do").addEventListener("click", (event) => {
  const button = event.target.closest("[data-do]");
  if (button) quietly(does[button.dataset.do]());
});
part("secret-copy").addEventListener("click", async (event) => {
  const copied = await copy(part("secret-text").value);
  part("secret-text").select();
  flash(event.target, copied ? "Copied" : "Press Ctrl+C");
});
part("secret-hide").addEventListener("click", () => {
  part("secret-text").value = "";
  part("secret").hidden = true;
});

part("twin-now").addEventListener("click", (event) => {
  const { edit: section } = event.target.dataset;
  if (section) quietly(edit(section));
});

// Versions to compare

const compare = part("compare");
const known = () => new Map([...document.querySelectorAll("#twin-history [data-versions]")].map((one) => [one.dataset.versions, one.textContent.trim().split(/\s+/)]));

function fill(select, values, chosen) {
  if ([...select.options].map((option) => option.value).join() === values.join()) return;
  const was = select.value;
  select.replaceChildren(...values.map((value) => new Option(value, value)));
  select.value = values.includes(was) ? was : (chosen ?? "");
}

function offer() {
  const versions = known();
  const { section, from, to } = compare.elements;
  fill(section, [...versions.keys()], [...versions.keys()][0]);
  const own = versions.get(section.value) ?? [];
  fill(from, own, own[1]);
  fill(to, own, own[0]);
  part("comparing").hidden = versions.size === 0;
}
compare.elements.section.addEventListener("change", () => {
  compare.elements.from.replaceChildren();
  compare.elements.to.replaceChildren();
  offer();
});
compare.addEventListener("submit", async (event) => {
  event.preventDefault();
  const wanted = new URLSearchParams(new FormData(compare));
  try {
    const answer = await fetch(`${path}/compare?${wanted}`);
    if (!answer.ok) throw new Error(`${answer.status} ${answer.statusText}`);
    part("comparison").innerHTML = await answer.text();
  } catch (error) {
    complain(error);
  }
});

// Methods, and messages to the device

const hints = {
  404103: "Nobody with this name is connected and takes methods. It was waited for as long as you said.",
  504101: "The method was called, and no answer came in time. It may have been carried out all the same.",
};

part("method").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target;
  const output = form.querySelector("output");
  const { name, payload, connect, response } = form.elements;
  const begun = performance.now();
  try {
    const request = { methodName: name.value.trim(), payload: JSON.parse(payload.value.trim() || "null"), responseTimeoutInSeconds: Number(response.value), connectTimeoutInSeconds: Number(connect.value) };
    say(output, "waiting", "waiting for an answer …");
    const answer = await send("POST", `/control/methods/${target}`, request);
    say(output, answer.status < 400 ? "good" : "bad", `${answer.status} after ${Math.round(performance.now() - begun)} ms\n${JSON.stringify(answer.payload, null, 2)}`);
  } catch (error) {
    if (error instanceof SyntaxError) return say(output, "bad", `That is no JSON: ${error.message}`);
    const hint = hints[error.code] ? `\n${hints[error.code]}` : "";
    say(output, "bad", `${error.code ?? ""} ${error.message}${hint}`.trim());
  }
});

part("send")?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target;
  const output = form.querySelector("output");
  const { body, properties } = form.elements;
  const pairs = properties.value.split("\n").map((line) => line.trim()).filter(Boolean).map((line) => line.split(/=(.*)/s).map((side) => side.trim()));
  const wrong = pairs.find(([name, value]) => !name || value === undefined);
  if (wrong) return say(output, "bad", `${wrong[0] || "="} is no name=value`);
  let content = body.value;
  try {
    content = JSON.parse(content);
  } catch {
    // Text goes as it is.
  }
  try {
    const { messageId } = await send("POST", `/control/messages/${encodeURIComponent(device)}`, { body: content, properties: Object.fromEntries(pairs) });
    say(output, "good", `taken as ${messageId}`);
  } catch (error) {
    say(output, "bad", `${error.code ?? ""} ${error.message}`.trim());
  }
});
part("purge")?.addEventListener("click", async () => {
  const sure = await ask("Purge the queue?", `Every message that waits for ${device} is forgotten.`, "Purge");
  if (sure) await quietly(send("DELETE", `/control/queues/${encodeURIComponent(device)}`));
});

offer();
followParts({
  changed: (id) => {
    if (id === "twin-history") offer();
    if (id === "facts" && part("toggle")) part("toggle").textContent = isEnabled() ? "Disable" : "Enable";
  },
  gone: () => {
    part("gone").hidden = false;
    for (const control of document.querySelectorAll("main button, main input, main textarea, main select")) control.disabled = true;
  },
});
