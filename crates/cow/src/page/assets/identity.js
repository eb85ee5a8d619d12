// Who the bay's machine is: what gives it an identity, what changes it, and what the provisioning service made of it.

import { bay, complain, device, get, invoke, send } from "./api.js";
import { clock, phases } from "./words.js";

const part = (id) => document.getElementById(id);
const section = part("identity");
const { serial } = section.dataset;
const setup = part("setup");
const answer = part("identity-answer");
const path = `/control/bays/${encodeURIComponent(bay)}`;

const reasons = {
  booting: "The host's services come up.",
  unprovisioned: "It waits for one.",
  registering: "The Edge daemon has an identity, and asks the provisioning service for its hub.",
};

// Live regions speak when they are written to: only what changed is written.
function setText(id, text) {
  const element = part(id);
  if (element && element.textContent !== text) element.textContent = text;
}

function make(name, className, text) {
  const element = document.createElement(name);
  if (className) element.className = className;
  if (text != null) element.textContent = text;
  return element;
}

function showMachine({ deviceId, phase, message, boots, portal, portalPin }) {
  section.dataset.phase = phase;
  setText("phase", phases[phase] ?? phase);
  setText("phase-more", message ?? reasons[phase] ?? "");
  setText("identity-boots", boots === 1 ? "once" : `${boots} times`);
  if (portal && part("portal")) {
    part("portal").href = portal;
    part("portal").hidden = false;
    setText("portal-pin", portalPin);
  }
  for (const button of setup?.querySelectorAll("button") ?? []) button.disabled = phase !== "running" || busy;
  // Another device is another page: its twins, its messages, its modules.
  if ((deviceId ?? "") !== device) location.reload();
}

function showService({ idScope, provisioningHost, groups, enrollments, registrations }) {
  setText("service", `${provisioningHost}, id scope ${idScope}`);
  const registered = registrations.find((one) => one.registrationId?.toLowerCase() === serial);
  const group = registered?.symmetricKey?.enrollmentGroupId;
  const rows = [
    ...groups.map((one) => enrolment("group", one.enrollmentGroupId, one, one.enrollmentGroupId === group && registered)),
    ...enrollments.map((one) => enrolment("device", one.registrationId, one, one.registrationId.toLowerCase() === serial && registered)),
  ];
  replace(part("enrolments"), rows);
  part("enrolments-empty").hidden = rows.length > 0;
  const stock = groups.some((one) => one.enrollmentGroupId === "stock");
  if (part("make-stock")) {
    part("make-stock").disabled = stock || busy;
    setText("make-stock", stock ? "There is a stock group" : "Make the stock group");
    part("hand-over").disabled = !stock || busy;
  }
}

function enrolment(kind, name, { attestation, capabilities, provisioningStatus }, registered) {
  const row = make("li", "enrolment");
  row.append(make("b", "", name), make("span", "small", kind));
  const facts = [attestation?.type === "x509" ? "X.509" : "key", capabilities?.iotEdge && "edge", provisioningStatus === "disabled" && "disabled"];
  row.append(make("span", "small", facts.filter(Boolean).join(", ")));
  if (registered?.status === "assigned") {
    row.dataset.state = "assigned";
    row.append(make("span", "route", `${registered.assignedHub}/${registered.deviceId}`));
  }
  return row;
}

function showAttempts(attempts) {
  replace(part("attempts"), attempts.slice(0, 20).map(attempt));
  part("attempts-empty").hidden = attempts.length > 0;
}

function attempt({ at, outcome, transport, presented, matched, reason, hub, deviceId }) {
  const row = make("li", "attempt");
  row.dataset.outcome = outcome;
  const head = make("p", "attempt-head");
  const time = make("time", "event-time", clock(at));
  time.dateTime = at;
  head.append(time, make("b", "", outcome), make("span", "small", `over ${transport === "https" ? "HTTPS" : "MQTT"}`));
  if (hub) head.append(make("span", "route", `${hub}/${deviceId}`));
  row.append(head);
  const why = [presented && `presented ${presented}`, `matched ${matched ?? "no enrolment"}`, reason].filter(Boolean);
  row.append(make("p", "small", why.join(" · ")));
  return row;
}

// What is the same is left alone: somebody may be reading or scrolling it.
function replace(list, rows) {
  const before = [...list.children].map((row) => row.outerHTML).join("");
  if (before !== rows.map((row) => row.outerHTML).join("")) list.replaceChildren(...rows);
}

async function refresh() {
  try {
    const [machine, service, levers, attempts] = await Promise.all([
      get(path),
      get("/control/dps"),
      get("/control/levers"),
      get(`/control/dps/attempts?registrationId=${encodeURIComponent(serial)}`),
    ]);
    showService(service);
    showAttempts(attempts);
    for (const lever of troubles) lever.setAttribute("aria-checked", Boolean(levers.dps[lever.dataset.dps]));
    showMachine(machine);
  } catch {
    setText("phase", "nobody answers");
  }
}

// A machine that runs again has started its modules, which may not all be connected yet.
const CONNECT_SECONDS = 20;
const ask = (method, payload) => invoke(setup.dataset.module, method, payload, CONNECT_SECONDS).then(told);

// One thing at a time; the next look shows what came of it.
let busy = false;
async function act(doing, action) {
  if (busy) return;
  busy = true;
  say("waiting", doing);
  refresh();
  try {
    const { good, text } = await action();
    say(good ? "good" : "bad", text);
  } catch (error) {
    say("bad", `${error.code ?? ""} ${error.message}`.trim());
  } finally {
    busy = false;
    refresh();
  }
}

function say(state, text) {
  answer.hidden = false;
  answer.dataset.state = state;
  answer.textContent = text;
}

const group = (name) => `/control/dps/groups/${encodeURIComponent(name)}`;

// Edge devices, with a key of the service's own making; what an existing group says is not changed.
async function ensureGroup(name) {
  const { groups } = await get("/control/dps");
  if (groups.some((one) => one.enrollmentGroupId === name)) return;
  await send("PUT", group(name), {
    enrollmentGroupId: name,
    attestation: { type: "symmetricKey" },
    capabilities: { iotEdge: true },
    provisioningStatus: "enabled",
    reprovisionPolicy: { updateHubAssignment: true, migrateDeviceData: true },
  });
}

// What a device is told of a group: its own key, derived for its own id.
async function identityIn(name) {
  const [{ key }, { idScope, provisioningHost }, { https }] = await Promise.all([
    get(`${group(name)}/keys/${encodeURIComponent(serial)}`),
    get("/control/dps"),
    get("/control/info"),
  ]);
  const port = https.split(":").pop();
  return { idScope, registrationId: serial, symmetricKey: key, globalEndpoint: port === "443" ? provisioningHost : `${provisioningHost}:${port}` };
}

part("make-stock")?.addEventListener("click", () =>
  act("making the group …", async () => {
    await ensureGroup("stock");
    return { good: true, text: "The group stock is there. Its key stays with the service." };
  }));

part("hand-over")?.addEventListener("click", () =>
  act("imaging the card …", async () => {
    await send("POST", `${path}/card`, await identityIn("stock"));
    return { good: true, text: "The card holds the identity, and the board starts with it." };
  }));

setup?.addEventListener("submit", (event) => {
  event.preventDefault();
  const project = setup.elements.project.value.trim();
  act(`setting up for ${project} …`, async () => {
    await ensureGroup(project);
    return ask("setup", await identityIn(project));
  });
});
for (const button of setup?.querySelectorAll("[data-method]") ?? []) {
  const { method } = button.dataset;
  button.addEventListener("click", () => act(`${method} …`, () => ask(method, {})));
}

// A test is read part by part, anything else as a sentence; the rest is there for whoever wants it.
function told({ status, payload }) {
  const parts = (payload?.parts ?? []).map((one) => `${one.passed ? "✓" : "✕"} ${one.part} in ${one.tookMs} ms${one.message ? `: ${one.message}` : ""}`);
  const lines = [`${status}${payload?.message ? ` ${payload.message}` : ""}`, ...parts, JSON.stringify(payload, null, 2)];
  return { good: status < 400 && payload?.passed !== false, text: lines.join("\n") };
}

for (const button of section.querySelectorAll("[data-power]")) {
  button.addEventListener("click", () => send("POST", `${path}/power/${button.dataset.power}`, {}).then(refresh, complain));
}

const troubles = [...section.querySelectorAll("[data-dps]")];
const BUSY_SECONDS = 5;
for (const lever of troubles) {
  lever.addEventListener("click", () => {
    const on = lever.getAttribute("aria-checked") !== "true";
    lever.setAttribute("aria-checked", on);
    const pull = lever.dataset.dps === "throttle" ? { throttleSeconds: on ? BUSY_SECONDS : 0 } : { [lever.dataset.dps]: on };
    send("POST", "/control/levers", { target: "dps", ...pull }).then(refresh, complain);
  });
}

// A machine changes by itself, and is looked at while somebody looks.
setInterval(() => document.hidden || refresh(), 1000);
document.addEventListener("visibilitychange", () => document.hidden || refresh());
refresh();
