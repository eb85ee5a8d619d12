// Forms that speak to the API: <form data-api="POST /api/projects" data-then="/projects/{id}">.
// `data-then` is where to go when it is done (`stay`: nowhere); without it the page is loaded again. `data-reveal="token"`
// shows that member of the answer in the form instead: what is told once.
// A field is sent under its name (`place.latitude` makes an object); an empty one only with `data-empty`;
// with `data-empty="null"` only where somebody emptied it. What the API refuses is said at the field it names.

import { explain, say } from "./words.js";

document.addEventListener("submit", (event) => {
  const form = event.target.closest("form[data-api]");
  if (!form) return;
  event.preventDefault();
  if (form.dataset.confirm && !confirm(form.dataset.confirm)) return;
  send(form);
});

async function send(form, more) {
  const [method, path] = form.dataset.api.split(" ");
  const buttons = form.querySelectorAll("button");
  buttons.forEach((button) => (button.disabled = true));
  complain(form, null);
  if (method === "POST") form.dataset.idempotencyKey ??= Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
  try {
    const { body, refused } = await api(method, path, method === "DELETE" ? undefined : { ...values(form), ...more }, form.dataset);
    // The same press sent twice is one; what was refused and then mended is another.
    delete form.dataset.idempotencyKey;
    if (refused) {
      // A bay that is booked is taken away only by who says what becomes of the bookings.
      if (refused.code === "bookings-are-open" && form.dataset.bookings && !more && confirm(`${refused.detail}\n\n${form.dataset.bookings}`)) return await send(form, { bookings: "cancel" });
      form.dispatchEvent(new CustomEvent("refused", { bubbles: true }));
      return complain(form, refused);
    }
    form.dispatchEvent(new CustomEvent("done", { bubbles: true, detail: body }));
    if (form.dataset.reveal) {
      form.querySelector("output").textContent = body[form.dataset.reveal];
      form.querySelector(".revealed").hidden = false;
    } else if (form.dataset.then === "stay") {
      form.reset();
    } else if (form.dataset.then) {
      location.assign(form.dataset.then.replace(/\{(\w+)\}/g, (_, key) => encodeURIComponent(body?.[key] ?? "")));
    } else {
      location.reload();
    }
  } catch {
    complain(form, { detail: say("failed") });
  } finally {
    buttons.forEach((button) => (button.disabled = false));
  }
}

// A request to the API; what it refuses comes back as `refused`, a problem document.
export async function api(method, path, body, { version, idempotencyKey } = {}) {
  const headers = { Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (version) headers["If-Match"] = `"${version}"`;
  if (idempotencyKey) headers["Idempotency-Key"] = idempotencyKey;
  const answer = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  const read = (await answer.text()) || "null";
  const json = /json/.test(answer.headers.get("Content-Type")) ? JSON.parse(read) : null;
  if (answer.ok) return { body: json };
  if (answer.status === 401) location.assign(`/sign-in?next=${encodeURIComponent(location.pathname + location.search)}`);
  return { refused: json ? { ...json, detail: explain(json) } : { detail: say("failed") } };
}

function values(form) {
  const body = {};
  for (const field of form.elements) {
    if (!field.name || (field.type === "radio" && !field.checked)) continue;
    let value = field.value;
    if (field.type === "checkbox") value = field.checked;
    else if (value === "") {
      // `null` takes something away: only where there was something.
      if (field.dataset.empty === undefined || (field.dataset.empty === "null" && field.defaultValue === "")) continue;
      value = field.dataset.empty === "null" ? null : "";
    } else if (field.dataset.type === "json") value = JSON.parse(value);
    else if (field.type === "number" || field.dataset.type === "number") value = Number(value);
    else if (field.type === "datetime-local") value = new Date(value).toISOString();
    const path = field.name.split(".");
    const last = path.pop();
    path.reduce((object, key) => (object[key] ??= {}), body)[last] = value;
  }
  return body;
}

function complain(form, problem) {
  form.querySelectorAll(".field-problem").forEach((element) => element.remove());
  form.querySelectorAll("[aria-invalid]").forEach((element) => element.removeAttribute("aria-invalid"));
  let place = form.querySelector(":scope > .form-problem");
  if (!problem) {
    place?.remove();
    return;
  }
  const field = problem.field && form.elements[problem.field];
  const text = document.createElement("p");
  text.textContent = problem.detail;
  text.role = "alert";
  if (field instanceof HTMLElement) {
    text.className = "field-problem";
    field.setAttribute("aria-invalid", "true");
    field.closest("label")?.append(text) ?? field.after(text);
    field.focus();
    return;
  }
  place ??= form.appendChild(document.createElement("div"));
  place.className = "form-problem";
  place.replaceChildren(text);
}
