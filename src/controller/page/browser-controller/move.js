// Zoom and pan: by wheel, drag, two fingers, keys, buttons.

/** @typedef {{ k: number, x: number, y: number }} View zoom, and where the corner is, px */
/** @typedef {{ x: number, y: number }} Point px */

const [least, most] = [1, 16];
/** A press that moves further than this is no click, px. */
const stillPx = 5;

export class Moving {
  /** @type {View} */
  view = { k: 1, x: 0, y: 0 };
  /** @type {SVGSVGElement} */
  #map;
  #onMove;
  /** Fingers, or the mouse. @type {Map<number, Point>} */
  #pointers = new Map();
  #dragged = false;
  /** Of the map, px. To ask for it each time would have all of it laid out each time. */
  size = { width: 0, height: 0 };

  /** @param {SVGSVGElement} map @param {() => void} onMove */
  constructor(map, onMove) {
    this.#map = map;
    this.#onMove = onMove;
    map.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    map.addEventListener("pointerdown", (event) => this.#down(event));
    map.addEventListener("pointermove", (event) => this.#move(event));
    for (const name of ["pointerup", "pointercancel", "lostpointercapture"]) {
      map.addEventListener(name, (event) =>
        this.#pointers.delete(/** @type {PointerEvent} */ (event).pointerId),
      );
    }
    map.addEventListener(
      "click",
      (event) => {
        // The end of a drag is no choice.
        if (this.#dragged) event.stopImmediatePropagation();
        this.#dragged = false;
      },
      { capture: true },
    );
  }

  /** Where the map is, on the screen. */
  get #corner() {
    const { left, top } = this.#map.getBoundingClientRect();
    return { x: left, y: top };
  }

  /** @param {number} factor @param {Point} [point] stays where it is */
  zoom(factor, point = { x: this.size.width / 2, y: this.size.height / 2 }) {
    const { k, x, y } = this.view;
    const next = Math.min(most, Math.max(least, k * factor));
    const part = next / k;
    this.#set({ k: next, x: point.x - (point.x - x) * part, y: point.y - (point.y - y) * part });
  }

  /** @param {number} dx @param {number} dy px */
  pan(dx, dy) {
    const { k, x, y } = this.view;
    this.#set({ k, x: x + dx, y: y + dy });
  }

  all() {
    this.#set({ k: 1, x: 0, y: 0 });
  }

  /** Moves the map if a point of it is not to be seen. @param {Point} point */
  reveal({ x, y }) {
    const { width: w, height: h } = this.size;
    const away = (/** @type {number} */ at, /** @type {number} */ size) =>
      at < 30 || at > size - 30 ? size / 2 - at : 0;
    const [dx, dy] = [away(x, w), away(y, h)];
    if (dx !== 0 || dy !== 0) this.pan(dx, dy);
  }

  /** The map does not leave its frame. @param {View} view */
  #set({ k, x, y }) {
    const { width: w, height: h } = this.size;
    const within = (/** @type {number} */ at, /** @type {number} */ size) =>
      Math.min(size * 0.5 * (k - 1), Math.max(size * (1 - k) - size * 0.5 * (k - 1), at));
    this.view = { k, x: within(x, w), y: within(y, h) };
    // At its least one finger moves the page, as everywhere.
    if (this.#map.classList.contains("zoomed") !== k > 1) this.#map.classList.toggle("zoomed");
    this.#onMove();
  }

  /** @param {WheelEvent} event */
  #wheel(event) {
    // A page that is scrolled over the map goes on scrolling.
    if (!event.ctrlKey && !event.metaKey && !this.#map.contains(document.activeElement)) return;
    event.preventDefault();
    const { x, y } = this.#corner;
    const lines = event.deltaMode === 1 ? 16 : 1;
    const factor = Math.exp((-event.deltaY * lines) / (event.ctrlKey ? 120 : 400));
    this.zoom(factor, { x: event.clientX - x, y: event.clientY - y });
  }

  /** @param {PointerEvent} event */
  #down(event) {
    if (event.button !== 0) return;
    if (this.#pointers.size === 0) this.#dragged = false;
    this.#pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
  }

  /** @param {PointerEvent} event */
  #move({ pointerId, clientX: x, clientY: y }) {
    const before = this.#pointers.get(pointerId);
    if (before === undefined) return;
    const others = [...this.#pointers].filter(([id]) => id !== pointerId);
    const [, other] = others[0] ?? [];
    if (other === undefined) {
      if (!this.#dragged && Math.hypot(x - before.x, y - before.y) < stillPx) return;
      this.#begin(pointerId);
      this.#pointers.set(pointerId, { x, y });
      return this.pan(x - before.x, y - before.y);
    }
    this.#begin(pointerId);
    this.#pointers.set(pointerId, { x, y });
    const corner = this.#corner;
    const apart = (/** @type {Point} */ p) => Math.hypot(p.x - other.x, p.y - other.y) || 1;
    const middle = { x: (x + other.x) / 2 - corner.x, y: (y + other.y) / 2 - corner.y };
    this.pan((x - before.x) / 2, (y - before.y) / 2);
    this.zoom(apart({ x, y }) / apart(before), middle);
  }

  /** @param {number} pointerId */
  #begin(pointerId) {
    if (!this.#dragged) this.#map.setPointerCapture(pointerId);
    this.#dragged = true;
  }
}
