// Which part of the ground is seen, and where on the screen it lies. Nothing here touches a page.
//
// The ground is flat: a plan is one wide and `ratio` high, the earth (web mercator) one wide and one high. What the API
// calls x and y are parts of a plan's width and height, or degrees of longitude and latitude.

const NORTHERNMOST = 85.05112877980659;
const METRES_AROUND = 40075016.7;
// How large a bay is drawn, in points: what a finger can press, and no larger than what says something.
const SMALLEST = 24;
const LARGEST = 64;

const clamp = (low, value, high) => Math.min(Math.max(low, value), high);

// `size` is how wide the server draws a bay, in parts of the plan's width.
export function plan(ratio, size) {
  return {
    whole: { left: 0, top: 0, right: 1, bottom: ratio },
    flat: ({ x, y }) => ({ x, y: y * ratio }),
    told: ({ x, y }) => ({ x: clamp(0, x, 1), y: clamp(0, y / ratio, 1) }),
    closest: (2 * LARGEST) / size,
    farthest: 0.5,
    bay: (scale) => clamp(SMALLEST, size * scale, LARGEST),
  };
}

export const earth = {
  whole: { left: 0, top: 0, right: 1, bottom: 1 },
  flat({ x, y }) {
    const sin = Math.sin((clamp(-NORTHERNMOST, y, NORTHERNMOST) * Math.PI) / 180);
    return { x: x / 360 + 0.5, y: 0.5 - Math.log((1 + sin) / (1 - sin)) / (4 * Math.PI) };
  },
  told({ x, y }) {
    const latitude = (Math.atan(Math.sinh(Math.PI * (1 - 2 * y))) * 180) / Math.PI;
    return { x: clamp(-180, (x - 0.5) * 360, 180), y: clamp(-90, latitude, 90) };
  },
  closest: 256 * 2 ** 22,
  farthest: 1,
  // A bay is two and a half metres wide.
  bay: (scale, y) => clamp(SMALLEST, (2.5 * scale) / (METRES_AROUND / Math.cosh(Math.PI * (1 - 2 * y))), 48),
};

export class Camera {
  // The middle of what is seen, points of the screen for one of the ground, and the screen in points.
  constructor(ground) {
    this.ground = ground;
    this.x = 0.5;
    this.y = 0.5;
    this.scale = 256;
    this.width = 1;
    this.height = 1;
  }

  // How large a bay is drawn, in points.
  get bay() {
    return this.ground.bay(this.scale, this.y);
  }

  get isClosest() {
    return this.scale >= this.ground.closest * 0.999;
  }

  onScreen(place) {
    const { x, y } = this.ground.flat(place);
    return this.flatOnScreen(x, y);
  }

  flatOnScreen(x, y) {
    return { x: (x - this.x) * this.scale + this.width / 2, y: (y - this.y) * this.scale + this.height / 2 };
  }

  onGround({ x, y }) {
    return { x: this.x + (x - this.width / 2) / this.scale, y: this.y + (y - this.height / 2) / this.scale };
  }

  // The place under a point of the screen, as the API speaks of it.
  place(point) {
    return this.ground.told(this.onGround(point));
  }

  pan(dx, dy) {
    this.x -= dx / this.scale;
    this.y -= dy / this.scale;
    this.keep();
  }

  // What is under `at` stays there.
  zoom(factor, at = { x: this.width / 2, y: this.height / 2 }) {
    const held = this.onGround(at);
    this.scale = clamp(this.lowest, this.scale * factor, this.ground.closest);
    this.x = held.x - (at.x - this.width / 2) / this.scale;
    this.y = held.y - (at.y - this.height / 2) / this.scale;
    this.keep();
  }

  // As large as this part of the ground (flat) fits, with some of what is around it.
  fit({ left, top, right, bottom }, around = 0) {
    const fits = Math.min(this.width / (right - left || 1e-9), this.height / (bottom - top || 1e-9));
    this.scale = clamp(this.lowest, fits * (1 - around), this.ground.closest);
    this.x = (left + right) / 2;
    this.y = (top + bottom) / 2;
    this.keep();
  }

  resize(width, height) {
    [this.width, this.height] = [Math.max(1, width), Math.max(1, height)];
    this.zoom(1);
  }

  // What is seen and a part of its size around it, as the API speaks of it.
  frame(around = 0) {
    const [dx, dy] = [this.width * around, this.height * around];
    const from = this.onGround({ x: -dx, y: -dy });
    const to = this.onGround({ x: this.width + dx, y: this.height + dy });
    if (this.ground !== earth) {
      const part = this.ground.flat({ x: 1, y: 1 }).y;
      return { left: from.x, top: from.y / part, right: to.x, bottom: to.y / part };
    }
    const [upper, lower] = [earth.told({ x: from.x, y: clamp(0, from.y, 1) }), earth.told({ x: to.x, y: clamp(0, to.y, 1) })];
    return { left: upper.x, top: upper.y, right: lower.x, bottom: lower.y };
  }

  get lowest() {
    const { left, top, right, bottom } = this.ground.whole;
    return this.ground.farthest * Math.min(this.width / (right - left), this.height / (bottom - top));
  }

  // The middle of the screen stays on the ground.
  keep() {
    const { left, top, right, bottom } = this.ground.whole;
    this.x = clamp(left, this.x, right);
    this.y = clamp(top, this.y, bottom);
  }
}
