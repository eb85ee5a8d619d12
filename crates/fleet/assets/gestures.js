// Moves a camera over a map: by mouse and wheel, by one finger and two, by keys and buttons.

// Farther than this a press is a drag, in points.
const SLIP = 5;
const STEP = 80;

// `isFree` says whether a press on this may move the map; `moved` is called whenever the camera has moved.
export function steer(map, camera, { isFree, moved, all }) {
  const pointers = new Map();
  let slipped = false;
  let before = null;

  const at = (event) => {
    const { left, top } = map.getBoundingClientRect();
    return { x: event.clientX - left - map.clientLeft, y: event.clientY - top - map.clientTop };
  };
  // The middle of all fingers, and how far they are from each other.
  function grip() {
    const points = [...pointers.values()];
    const middle = (of) => points.reduce((sum, point) => sum + point[of], 0) / points.length;
    const [first, second] = points;
    return { x: middle("x"), y: middle("y"), span: second ? Math.hypot(first.x - second.x, first.y - second.y) : 0 };
  }

  map.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || event.target.closest("button, .map-credit") || !isFree(event)) return;
    if (!pointers.size) slipped = false;
    pointers.set(event.pointerId, at(event));
    before = grip();
  });
  map.addEventListener("pointermove", (event) => {
    if (!pointers.has(event.pointerId)) return;
    const point = at(event);
    if (!slipped && pointers.size === 1 && Math.hypot(point.x - before.x, point.y - before.y) < SLIP) return;
    if (!slipped) {
      slipped = true;
      // Only now: a captured pointer presses no link.
      for (const id of pointers.keys()) map.setPointerCapture(id);
    }
    pointers.set(event.pointerId, point);
    const now = grip();
    camera.pan(now.x - before.x, now.y - before.y);
    if (before.span && now.span) camera.zoom(now.span / before.span, now);
    before = now;
    moved();
  });
  const lift = (event) => {
    if (pointers.delete(event.pointerId) && pointers.size) before = grip();
  };
  map.addEventListener("pointerup", lift);
  map.addEventListener("pointercancel", lift);
  map.addEventListener("lostpointercapture", lift);
  // The press that ends a drag opens nothing; one of a key, which counts no presses, does.
  map.addEventListener("click", (event) => {
    if (!slipped || !event.detail || event.target.closest("button")) return;
    event.preventDefault();
    event.stopPropagation();
  }, true);
  map.addEventListener("dragstart", (event) => event.preventDefault());

  const turn = (factor, point) => {
    camera.zoom(factor, point);
    moved();
  };
  map.addEventListener("wheel", (event) => {
    event.preventDefault();
    const lines = event.deltaMode === WheelEvent.DOM_DELTA_PIXEL ? 1 : 20;
    turn(Math.exp(-event.deltaY * lines * 0.002), at(event));
  }, { passive: false });
  map.addEventListener("dblclick", (event) => event.target.closest("a, button, .cluster") || turn(2, at(event)));

  const whole = () => {
    all();
    moved();
  };
  map.addEventListener("click", (event) => {
    const button = event.target.closest("[data-zoom]");
    if (button) ({ in: () => turn(2), out: () => turn(0.5), all: whole })[button.dataset.zoom]();
  });
  map.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    const pan = { ArrowLeft: [STEP, 0], ArrowRight: [-STEP, 0], ArrowUp: [0, STEP], ArrowDown: [0, -STEP] }[event.key];
    const factor = { "+": 2, "=": 2, "-": 0.5, _: 0.5 }[event.key];
    if (pan) camera.pan(...pan);
    else if (factor) camera.zoom(factor);
    else if (event.key === "0") all();
    else return;
    event.preventDefault();
    moved();
  });
}
