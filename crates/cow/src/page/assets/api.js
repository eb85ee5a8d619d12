// Requests to this origin, and complaints when they fail.

// A bay keeps its name, whichever device of the hub its machine is.
export const { bay, device } = document.getElementById("main").dataset;

const part = encodeURIComponent;
export const target = (module) => part(device) + (module ? `/modules/${part(module)}` : "");
export const board = (rest = "") => `/board/${part(bay)}${rest}`;

export async function get(path) {
  return answer(await fetch(path, { headers: { accept: "application/json" } }));
}

export async function send(method, path, body, more = {}) {
  const headers = { "content-type": "application/json", accept: "application/json", ...more };
  return answer(await fetch(path, { method, headers, body: JSON.stringify(body) }));
}

async function answer(response) {
  const text = await response.text();
  let body = null;
  try {
    body = text ? JSON.parse(text) : null;
  } catch {
    // What is no JSON is no answer of ours; the status says the rest.
  }
  if (!response.ok) {
    const message = body?.error?.message ?? body?.message ?? `${response.status} ${response.statusText}`;
    throw Object.assign(new Error(message), { code: body?.error?.code ?? response.status, status: response.status });
  }
  return body;
}

const toasts = document.getElementById("toasts");

export function complain(error) {
  const toast = document.createElement("p");
  toast.className = "toast";
  toast.textContent = error instanceof TypeError ? "The simulator does not answer. Is it still running?" : error.message;
  toasts.append(toast);
  setTimeout(() => toast.remove(), 6000);
  while (toasts.children.length > 3) toasts.firstChild.remove();
}

export const command = (body) => send("POST", `/control/boards/${part(bay)}`, body).catch(complain);
export const invoke = (module, methodName, payload, connectTimeoutInSeconds = 0) =>
  send("POST", `/control/methods/${target(module)}`, { methodName, payload, responseTimeoutInSeconds: 30, connectTimeoutInSeconds });
