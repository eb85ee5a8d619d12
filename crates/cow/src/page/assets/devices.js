// The registry: add, enable, disable, delete; and a connection string without showing it.

import { complain, get, send } from "./api.js";
import { ask, copy, flash, followParts, say } from "./hub.js";

const part = (id) => document.getElementById(id);
const path = (device) => `/control/devices/${encodeURIComponent(device)}`;

const does = {
  async copy(device, button) {
    const { connectionString } = await get(path(device));
    if (await copy(connectionString)) flash(button, "Copied");
    // The page of the device can show it, to be copied by hand.
    else complain(new Error("This browser does not let the page copy. The device's own page shows the connection string."));
  },
  enable: (device) => send("PATCH", path(device), { enabled: true }),
  async disable(device) {
    const sure = await ask(`Disable ${device}?`, "Its connections end now, and it cannot connect until it is enabled again.", "Disable");
    if (sure) await send("PATCH", path(device), { enabled: false });
  },
  async delete(device) {
    const sure = await ask(`Delete ${device}?`, "Its twin, its modules, its keys and the messages that wait for it go with it. This cannot be taken back.", "Delete");
    if (sure) await send("DELETE", path(device));
  },
};

part("devices").addEventListener("click", async (event) => {
  const button = event.target.closest("[data-do]");
  if (!button || button.ariaBusy) return;
  // A button that is disabled would lose the focus.
  button.ariaBusy = "true";
  await does[button.dataset.do](button.closest("[data-device]").dataset.device, button).catch(complain);
  button.ariaBusy = null;
});

const add = part("add");
part("add-open").addEventListener("click", () => {
  add.hidden = !add.hidden;
  part("add-open").setAttribute("aria-expanded", !add.hidden);
  if (!add.hidden) add.elements.id.focus();
});

add.addEventListener("submit", async (event) => {
  event.preventDefault();
  const { id, kind, modules } = add.elements;
  const names = modules.value.split(/[\s,]+/).filter(Boolean);
  try {
    const { deviceId } = await send("POST", "/control/devices", { deviceId: id.value.trim(), edge: kind.value === "edge", modules: names });
    const output = part("added");
    say(output, "good", `${deviceId} is registered. `);
    const link = document.createElement("a");
    link.href = `/devices/${encodeURIComponent(deviceId)}`;
    link.textContent = "Its page has the connection string";
    output.append(link);
    add.reset();
    id.focus();
  } catch (error) {
    say(part("added"), "bad", `${error.code ?? ""} ${error.message}`.trim());
  }
});

followParts();
