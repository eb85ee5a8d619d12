// Enrolments: make, enable, disable, delete, and keys for whoever asks for them.

import { complain, get, send } from "./api.js";
import { ask, element, followParts } from "./hub.js";

const part = (id) => document.getElementById(id);
const form = part("enrol");

part("enrol-open").addEventListener("click", () => {
  form.hidden = !form.hidden;
  part("enrol-open").setAttribute("aria-expanded", !form.hidden);
  if (!form.hidden) form.elements.name.focus();
});

function attestation(isGroup, certificate, key) {
  if (!certificate) return { type: "symmetricKey", ...(key && { symmetricKey: { primaryKey: key, secondaryKey: key } }) };
  const certificates = { primary: { certificate } };
  return { type: "x509", x509: isGroup ? { signingCertificates: certificates } : { clientCertificates: certificates } };
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const { name, kind, edge, key, certificate } = form.elements;
  const isGroup = kind.value === "groups";
  const id = name.value.trim();
  const path = `/control/dps/${kind.value}/${encodeURIComponent(id)}`;
  try {
    // A PUT would change what is enrolled under this name already.
    const there = await get(path).then(() => true, (error) => error.status !== 404 && Promise.reject(error));
    if (there) throw new Error(`${id} is enrolled already.`);
    await send("PUT", path, {
      [isGroup ? "enrollmentGroupId" : "registrationId"]: id,
      attestation: attestation(isGroup, certificate.value.trim(), key.value.trim()),
      ...(edge.value && { capabilities: { iotEdge: true } }),
    });
    form.reset();
    form.hidden = true;
    part("enrol-open").setAttribute("aria-expanded", false);
    part("enrol-open").focus();
  } catch (error) {
    complain(error);
  }
});

async function change(path, status) {
  const enrolment = await get(path);
  await send("PUT", path, { ...enrolment, provisioningStatus: status });
}

// Keys are shown below their row, until it is pressed again or the row changes.
function reveal(row, name, lines) {
  row.querySelector(`.keys[data-of="${name}"]`)?.remove();
  const shown = element("dl", "keys");
  shown.dataset.of = name;
  for (const [label, text] of lines) {
    const line = element("div");
    line.append(element("dt", "", label), element("dd", "mono", text));
    shown.append(line);
  }
  row.append(shown);
}

const does = {
  async keys(row, path, name, button) {
    if (row.querySelector('.keys[data-of="own"]')) {
      row.querySelector('.keys[data-of="own"]').remove();
      button.textContent = "Show keys";
      return;
    }
    const { primaryKey, secondaryKey } = await get(`${path}/keys`);
    reveal(row, "own", [["Primary key", primaryKey], ["Secondary key", secondaryKey]]);
    button.textContent = "Hide keys";
  },
  async derive(row, path) {
    if (row.querySelector("form")) return row.querySelector("form").remove();
    const asked = element("form", "row derive");
    const label = element("label", "visually-hidden", "Registration id of the device");
    const field = element("input");
    label.htmlFor = field.id = `derive-${encodeURIComponent(row.dataset.name)}`;
    Object.assign(field, { placeholder: "registration id", required: true, spellcheck: false, autocapitalize: "off" });
    const go = element("button", "primary", "Derive");
    asked.append(label, field, go);
    asked.addEventListener("submit", async (event) => {
      event.preventDefault();
      try {
        const { registrationId, key } = await get(`${path}/keys/${encodeURIComponent(field.value.trim())}`);
        reveal(row, "derived", [[`Key of ${registrationId}`, key]]);
      } catch (error) {
        complain(error);
      }
    });
    row.append(asked);
    field.focus();
  },
  enable: (row, path) => change(path, "enabled"),
  async disable(row, path, name) {
    const sure = await ask(`Disable ${name}?`, "No device registers by it until it is enabled again. Who is registered stays connected to its hub.", "Disable");
    if (sure) await change(path, "disabled");
  },
  async delete(row, path, name) {
    const sure = await ask(`Delete the enrolment ${name}?`, "Its keys are gone with it, and with them the keys of its devices for registering. This cannot be taken back.", "Delete");
    if (sure) await send("DELETE", path);
  },
};

part("enrolments").addEventListener("click", async (event) => {
  const button = event.target.closest("[data-do]");
  if (!button) return;
  const row = button.closest("[data-path]");
  await Promise.resolve(does[button.dataset.do](row, `/control/dps/${row.dataset.path}`, row.dataset.name, button)).catch(complain);
});

part("registrations").addEventListener("click", async (event) => {
  if (!event.target.closest("[data-do=forget]")) return;
  const { id, path } = event.target.closest("[data-path]").dataset;
  const sure = await ask(`Delete the registration of ${id}?`, "The device has to register again; until then it stays with its hub.", "Delete");
  if (sure) await send("DELETE", `/control/dps/registrations/${path}`).catch(complain);
});

followParts();
