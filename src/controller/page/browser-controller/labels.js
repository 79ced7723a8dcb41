// Where names and figures are written so that none lies on another. Pure.

/** @typedef {{ left: number, top: number, right: number, bottom: number }} Box */
/**
 * @typedef {object} Wanted
 * @property {string} key
 * @property {number} x @property {number} y what it belongs to, px
 * @property {number} r how far it is to be from there
 * @property {number} width @property {number} height
 * @property {boolean} always also where it lies on others
 * @property {{ x: number, y: number }} [along] of a line: it is written beside it
 * @property {number} [gap] between it and the line
 * @property {readonly { x: number, y: number }[]} [ways] where lines go from it, of length 1: rather not there
 */

/** @param {Box} a @param {Box} b */
function meet(a, b) {
  return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
}

/** Boxes by the cells that they touch: of hundreds only neighbours are compared. */
class Grid {
  /** @type {Map<string, Box[]>} */
  #cells = new Map();

  /** @param {Box} box @returns {string[]} */
  #of({ left, top, right, bottom }) {
    const cells = [];
    for (let x = Math.floor(left / 64); x <= Math.floor(right / 64); x++) {
      for (let y = Math.floor(top / 64); y <= Math.floor(bottom / 64); y++) cells.push(`${x} ${y}`);
    }
    return cells;
  }

  /** @param {Box} box */
  add(box) {
    for (const cell of this.#of(box)) {
      const list = this.#cells.get(cell);
      if (list === undefined) this.#cells.set(cell, [box]);
      else list.push(box);
    }
  }

  /** @param {Box} box */
  isFree(box) {
    return this.#of(box).every((cell) => !this.#cells.get(cell)?.some((other) => meet(box, other)));
  }
}

/** Where the middle of a text may be, the best first. @param {Wanted} wanted @returns {[number, number][]} */
function offsets({ r, width, height, along, gap = 1, ways = [] }) {
  const [w, h] = [width / 2, height / 2];
  if (along !== undefined) {
    const length = Math.hypot(along.x, along.y) || 1;
    const [nx, ny] = [-along.y / length, along.x / length];
    // Its box touches the line, or the mark on it.
    const d = Math.max(Math.abs(nx) * w + Math.abs(ny) * h + gap, r === 0 ? 0 : r + h + 3);
    return [
      [nx * d, ny * d],
      [-nx * d, -ny * d],
    ];
  }
  if (r === 0) return [[0, 0]];
  /** @type {[number, number][]} */
  const sides = [
    [0, 1],
    [0, -1],
    [1, 0],
    [-1, 0],
  ];
  const struck = ([x, y] = [0, 0]) => (ways.some((line) => line.x * x + line.y * y > 0.8) ? 1 : 0);
  return sides
    .toSorted((p, q) => struck(p) - struck(q))
    .map(([x, y]) => [x * (r + w + 2), y * (r + h)]);
}

/**
 * @param {readonly Wanted[]} wanted the most important first
 * @param {readonly Box[]} taken where nothing may be written
 * @param {{ width: number, height: number }} frame
 * @returns {{ places: Map<string, { x: number, y: number }>, taken: Box[] }} middles of those that have a place
 */
export function placed(wanted, taken, frame) {
  const grid = new Grid();
  for (const box of taken) grid.add(box);
  /** @type {Map<string, { x: number, y: number }>} */
  const places = new Map();
  const all = [...taken];
  for (const one of wanted) {
    const { key, x, y, width, height, always } = one;
    const [w, h] = [width / 2, height / 2];
    const middles = offsets(one).map(([dx, dy]) => ({ x: x + dx, y: y + dy }));
    const boxOf = (/** @type {{ x: number, y: number }} */ at) => {
      return { left: at.x - w, right: at.x + w, top: at.y - h, bottom: at.y + h };
    };
    const inside = middles.filter((at) => {
      const { left, right, top, bottom } = boxOf(at);
      return left >= 0 && top >= 0 && right <= frame.width && bottom <= frame.height;
    });
    const found = inside.find((at) => grid.isFree(boxOf(at))) ?? (always ? inside[0] : undefined);
    if (found === undefined) continue;
    places.set(key, found);
    const box = boxOf(found);
    grid.add(box);
    all.push(box);
  }
  return { places, taken: all };
}
