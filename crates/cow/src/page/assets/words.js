// How values read.

export const millimetres = (mm) => `${Math.round(mm).toLocaleString("en-GB")} mm`;
export const clock = (time) => new Date(time).toLocaleTimeString("en-GB");

// RFC 3339 in UTC, made comparable as text: fractions come in any length.
export function order(time) {
  const [whole, fraction = ""] = time.replace("Z", "").split(".");
  return `${whole}.${fraction.padEnd(9, "0")}`;
}

export function lasted(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}

export const plain = (word) => String(word).replaceAll("-", " ");

// Named colours have their tints in the style sheet; others come as #rrggbb.
export function paint(element, colour) {
  const own = /^#[0-9a-f]{6}$/i.test(colour);
  element.dataset.colour = own ? "own" : colour;
  element.style.setProperty("--own", own ? colour : "transparent");
}

export const phases = { off: "off", booting: "starting", unprovisioned: "no identity", registering: "asking who it is", refused: "not let in", running: "running" };
export const outcomes = { none: "no echo", stuck: "echo line stuck", fault: "sensor does not answer" };

export function brief(value, length = 90) {
  const text = typeof value === "string" ? value : JSON.stringify(value) ?? "";
  return text.length > length ? `${text.slice(0, length - 1)}…` : text;
}

// One line for the messages this product knows, and for any other its beginning.
export function summary(output, body) {
  if (body && typeof body === "object") {
    if (body.occupancy) {
      return [plain(body.occupancy), body.reason && plain(body.reason), body.distanceMm != null && millimetres(body.distanceMm), body.heartbeat && "heartbeat"].filter(Boolean).join(" · ");
    }
    if (output === "lamp") return [body.colour, plain(body.pattern), plain(body.cause)].join(" · ");
    if ("chargePercent" in body) {
      const charge = body.chargePercent == null ? "no reading" : `${body.chargePercent} %`;
      return [charge, body.voltageMv != null && `${(body.voltageMv / 1000).toFixed(2)} V`, body.alarm !== "none" && `${body.alarm} alarm`].filter(Boolean).join(" · ");
    }
  }
  return brief(body);
}
