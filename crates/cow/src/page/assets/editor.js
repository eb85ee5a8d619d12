// The editor of a twin's section: what was changed is sent as a patch, on the condition that nobody else was there first.

import { get, send } from "./api.js";

const part = (id) => document.getElementById(id);
const { target, path } = part("main").dataset;
const form = part("editor");
const twin = `/control/twins/${target}`;
const words = { desired: "Desired properties", tags: "Tags" };

let editing = null;

// What leads from one object to another by merging: null removes.
export function difference(from, to) {
  const patch = {};
  for (const name of Object.keys(from)) if (!(name in to)) patch[name] = null;
  for (const [name, value] of Object.entries(to)) {
    const old = from[name];
    if (isObject(old) && isObject(value)) {
      const inner = difference(old, value);
      if (Object.keys(inner).length > 0) patch[name] = inner;
    } else if (isObject(old) || isObject(value)) {
      patch[name] = value;
    } else if (JSON.stringify(old) !== JSON.stringify(value)) {
      patch[name] = value;
    }
  }
  return patch;
}

const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

export async function edit(section) {
  const now = await get(`${twin}/history`);
  const version = section === "tags" ? now.tagsVersion : now[`${section}Version`];
  editing = { section, etag: now.etag, before: now[section], version };
  part("editor-title").textContent = `${words[section]} of version ${version}`;
  part("editor-text").value = JSON.stringify(now[section], null, 2);
  part("editor-conflict").hidden = true;
  fault("");
  form.hidden = false;
  part("editor-text").focus();
}

function fault(text) {
  part("editor-fault").hidden = !text;
  part("editor-fault").textContent = text;
}

async function write(force) {
  fault("");
  let wanted;
  try {
    wanted = JSON.parse(part("editor-text").value);
  } catch (error) {
    return fault(`That is no JSON: ${error.message}`);
  }
  if (!isObject(wanted)) return fault("A section of a twin is a JSON object: {…}");
  const patch = difference(editing.before, wanted);
  if (Object.keys(patch).length === 0) return fault("Nothing is different: there is nothing to write.");
  try {
    await send("PATCH", twin, { [editing.section]: patch }, force ? {} : { "if-match": editing.etag });
    form.hidden = true;
  } catch (error) {
    if (error.status === 412) return conflict();
    fault(`${error.code ?? ""} ${error.message}`.trim());
  }
}

async function conflict() {
  part("editor-conflict").hidden = false;
  const { section, version, before } = editing;
  const now = await get(`${twin}/history`);
  const newest = section === "tags" ? now.tagsVersion : now[`${section}Version`];
  const theirs = part("editor-theirs");
  if (newest === version || Object.keys(difference(before, now[section])).length === 0) {
    theirs.textContent = "They changed another section of it; writing yours loses nothing of theirs.";
    return;
  }
  const answer = await fetch(`${path}/compare?section=${section}&from=${version}&to=${newest}`);
  // Rendered and escaped by the server, as every part of the page.
  theirs.innerHTML = await answer.text();
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  write(false);
});
part("editor-force").addEventListener("click", () => write(true));
part("editor-reload").addEventListener("click", () => edit(editing.section));
part("editor-cancel").addEventListener("click", () => (form.hidden = true));
