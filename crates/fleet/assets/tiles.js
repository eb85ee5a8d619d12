// A street map behind the bays: squares of web mercator by zoom, column and row, from wherever the service was told.

const SIDE = 256;
// Squares of another zoom that stay until the right ones are here.
const STALE = 64;

const clamp = (low, value, high) => Math.min(Math.max(low, value), high);

// Draws on `host` what `camera` sees, now and whenever it is called.
export function tileLayer(host, camera, { template, maxZoom }) {
  const shown = new Map();

  function add(key, zoom, column, row) {
    const image = new Image();
    image.alt = "";
    image.draggable = false;
    image.decoding = "async";
    // Tile servers want to know which site asks, and get no more than that.
    image.referrerPolicy = "strict-origin-when-cross-origin";
    const tile = { image, zoom, column, row, isHere: false };
    image.onload = image.onerror = (event) => {
      tile.isHere = true;
      image.classList.toggle("is-missing", event.type === "error");
      draw();
    };
    const at = { z: zoom, x: ((column % 2 ** zoom) + 2 ** zoom) % 2 ** zoom, y: row };
    image.src = template.replace(/\{([zxy])\}/g, (_, place) => at[place]);
    host.append(image);
    shown.set(key, tile);
    return tile;
  }

  function put({ image, zoom, column, row }) {
    const from = camera.flatOnScreen(column / 2 ** zoom, row / 2 ** zoom);
    const to = camera.flatOnScreen((column + 1) / 2 ** zoom, (row + 1) / 2 ** zoom);
    const [left, top] = [Math.round(from.x), Math.round(from.y)];
    image.style.transform = `translate(${left}px, ${top}px)`;
    image.style.width = `${Math.round(to.x) - left}px`;
    image.style.height = `${Math.round(to.y) - top}px`;
    image.style.zIndex = zoom;
  }

  function draw() {
    const zoom = clamp(0, Math.round(Math.log2(camera.scale / SIDE)), maxZoom);
    const last = 2 ** zoom - 1;
    const from = camera.onGround({ x: 0, y: 0 });
    const to = camera.onGround({ x: camera.width, y: camera.height });
    const index = (part) => Math.floor(part * 2 ** zoom);
    const wanted = new Set();
    for (let row = clamp(0, index(from.y), last); row <= clamp(0, index(to.y), last); row++) {
      for (let column = index(from.x); column <= index(to.x); column++) {
        const key = `${zoom}/${column}/${row}`;
        wanted.add(key);
        if (!shown.has(key)) add(key, zoom, column, row);
      }
    }
    const isWhole = [...wanted].every((key) => shown.get(key).isHere);
    let stale = 0;
    for (const [key, tile] of shown) {
      if (!wanted.has(key) && (isWhole || !tile.isHere || tile.zoom === zoom || ++stale > STALE)) {
        tile.image.onload = tile.image.onerror = null;
        tile.image.remove();
        shown.delete(key);
      } else put(tile);
    }
  }

  return draw;
}
