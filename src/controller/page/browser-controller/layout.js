// Places for nodes that have none: by stress majorization, from the same network always the same. Pure.

/** @typedef {{ id: string, site: string, place?: Point | undefined }} Placed */
/** @typedef {{ x: number, y: number }} Point */

/** Lengths in quarters of a link. */
const lengths = { link: 4, withinSite: 2, apart: 12 };
/** Of hundreds of nodes fewer do: the beginning is good already. */
const roundsOf = (/** @type {number} */ n) => Math.max(30, Math.min(90, Math.round(20_000 / n)));
/** Nodes are no closer than this, in links. */
const closest = 0.42;

/**
 * How far nodes are from each other, over links and within sites.
 * @param {readonly Placed[]} nodes @param {readonly (readonly [number, number])[]} links
 * @returns {Float64Array} n × n, in links
 */
function distances(nodes, links) {
  const n = nodes.length;
  /** @type {[number, number][][]} */
  const near = nodes.map(() => []);
  const join = (/** @type {number} */ i, /** @type {number} */ j, /** @type {number} */ length) => {
    near[i]?.push([j, length]);
    near[j]?.push([i, length]);
  };
  for (const [i, j] of links) {
    const same = nodes[i]?.site !== "" && nodes[i]?.site === nodes[j]?.site;
    join(i, j, same ? lengths.withinSite : lengths.link);
  }
  const sites = Map.groupBy(nodes.keys(), (i) => nodes[i]?.site ?? "");
  for (const [site, members] of sites) {
    if (site === "") continue;
    members.forEach((i, k) => {
      for (const j of members.slice(k + 1)) join(i, j, lengths.withinSite);
    });
  }
  const all = new Float64Array(n * n).fill(-1);
  let most = 0;
  for (let i = 0; i < n; i++) most = Math.max(most, from(i, near, all.subarray(i * n, i * n + n)));
  const apart = most + lengths.apart;
  return all.map((d) => (d < 0 ? apart : d) / lengths.link);
}

/**
 * Shortest ways from one node: lengths are small whole numbers, so that waiting nodes are kept by length.
 * @param {number} start @param {[number, number][][]} near @param {Float64Array} row filled
 * @returns {number} the longest
 */
function from(start, near, row) {
  /** @type {number[][]} */
  const waiting = [[start]];
  let longest = 0;
  for (let d = 0; d < waiting.length; d++) {
    for (const i of waiting[d] ?? []) {
      if (/** @type {number} */ (row[i]) >= 0) continue;
      row[i] = d;
      longest = d;
      for (const [j, length] of near[i] ?? []) {
        if (/** @type {number} */ (row[j]) >= 0) continue;
        const list = waiting[d + length] ?? [];
        list.push(j);
        waiting[d + length] = list;
      }
    }
  }
  return longest;
}

/**
 * The first two axes of classical scaling: a good beginning, and always the same.
 * @param {Float64Array} d @param {number} n
 */
function scaled(d, n) {
  const b = d.map((v) => (v * v) / -2);
  const means = new Float64Array(n);
  let mean = 0;
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) means[i] = at(means, i) + at(b, i * n + j) / n;
    mean += at(means, i) / n;
  }
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++)
      b[i * n + j] = at(b, i * n + j) - at(means, i) - at(means, j) + mean;
  }
  /** @type {Float64Array[]} */
  const axes = [];
  for (let axis = 0; axis < 2; axis++) {
    let v = Float64Array.from({ length: n }, (_, i) => Math.sin(12.9898 * (i + 1) + axis));
    let value = 0;
    for (let round = 0; round < 50; round++) {
      const w = new Float64Array(n);
      for (let i = 0; i < n; i++) {
        let sum = 0;
        for (let j = 0; j < n; j++) sum += at(b, i * n + j) * at(v, j);
        w[i] = sum;
      }
      const [first] = axes;
      if (first !== undefined) {
        const along = dot(w, first) / (dot(first, first) || 1);
        for (let i = 0; i < n; i++) w[i] = at(w, i) - along * at(first, i);
      }
      value = Math.sqrt(dot(w, w));
      v = w.map((x) => x / (value || 1));
    }
    const size = Math.sqrt(value);
    axes.push(v.map((x) => x * size));
  }
  return axes;
}

/** @param {Float64Array} list @param {number} i */
function at(list, i) {
  return /** @type {number} */ (list[i]);
}

/** @param {Float64Array} a @param {Float64Array} b */
function dot(a, b) {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += at(a, i) * at(b, i);
  return sum;
}

/** Of nodes that lie on each other: another direction for each two. @param {number} i @param {number} j */
function aside(i, j) {
  const angle = 2.399963 * (i * 7 + j + 1);
  return /** @type {const} */ ([Math.cos(angle) * 1e-3, Math.sin(angle) * 1e-3]);
}

/**
 * Each node to where those before and after it want it, as the distances say.
 * @param {Float64Array} xs @param {Float64Array} ys @param {Float64Array} d
 * @param {readonly boolean[]} fixed @param {number} unit length of a link
 */
function majorize(xs, ys, d, fixed, unit) {
  const n = xs.length;
  for (let i = 0; i < n; i++) {
    if (fixed[i]) continue;
    let [x, y, weight] = [0, 0, 0];
    for (let j = 0; j < n; j++) {
      if (i === j) continue;
      const wanted = at(d, i * n + j) * unit;
      let [dx, dy] = [at(xs, i) - at(xs, j), at(ys, i) - at(ys, j)];
      if (Math.abs(dx) + Math.abs(dy) < 1e-9) [dx, dy] = aside(i, j);
      const w = 1 / (wanted * wanted);
      const part = wanted / Math.hypot(dx, dy);
      x += w * (at(xs, j) + dx * part);
      y += w * (at(ys, j) + dy * part);
      weight += w;
    }
    if (weight === 0) continue;
    xs[i] = x / weight;
    ys[i] = y / weight;
  }
}

/**
 * Moves apart what is too close.
 * @param {Float64Array} xs @param {Float64Array} ys @param {readonly boolean[]} fixed @param {number} least
 */
function spread(xs, ys, fixed, least) {
  const n = xs.length;
  for (let round = 0; round < 30; round++) {
    let moved = false;
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < i; j++) {
        let [dx, dy] = [at(xs, i) - at(xs, j), at(ys, i) - at(ys, j)];
        if (Math.abs(dx) + Math.abs(dy) < 1e-9) [dx, dy] = aside(i, j);
        const distance = Math.hypot(dx, dy);
        if (distance >= least || (fixed[i] && fixed[j])) continue;
        moved = true;
        const push = (least - distance) / distance / (fixed[i] || fixed[j] ? 1 : 2);
        if (!fixed[i]) [xs[i], ys[i]] = [at(xs, i) + dx * push, at(ys, i) + dy * push];
        if (!fixed[j]) [xs[j], ys[j]] = [at(xs, j) - dx * push, at(ys, j) - dy * push];
      }
    }
    if (!moved) return;
  }
}

/**
 * Length of a link among those that have a place.
 * @param {Float64Array} xs @param {Float64Array} ys @param {Float64Array} d @param {readonly boolean[]} fixed
 */
function unitOf(xs, ys, d, fixed) {
  const n = xs.length;
  const units = [];
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < i; j++) {
      if (!fixed[i] || !fixed[j]) continue;
      units.push(Math.hypot(at(xs, i) - at(xs, j), at(ys, i) - at(ys, j)) / at(d, i * n + j));
    }
  }
  units.sort((a, b) => a - b);
  return units[units.length >> 1] || 0.2;
}

/**
 * @param {readonly Placed[]} given @param {readonly { a: string, b: string }[]} between
 * @param {ReadonlyMap<string, Point>} known where nodes are already: they stay there
 * @returns {Map<string, Point>} by ID; without any place given, all within 0 to 1
 */
export function layOut(given, between, known = new Map()) {
  const nodes = given.toSorted((a, b) => (a.id < b.id ? -1 : 1));
  const n = nodes.length;
  const places = nodes.map(({ id, place }) => place ?? known.get(id));
  const fixed = places.map((place) => place !== undefined);
  if (!fixed.includes(false)) return new Map(nodes.map(({ id }, i) => [id, places[i] ?? middle]));
  const index = new Map(nodes.map(({ id }, i) => [id, i]));
  const links = between
    .toSorted((p, q) => (`${p.a} ${p.b}` < `${q.a} ${q.b}` ? -1 : 1))
    .flatMap(({ a, b }) => {
      const [i, j] = [index.get(a), index.get(b)];
      return i === undefined || j === undefined || i === j ? [] : [/** @type {const} */ ([i, j])];
    });
  const d = distances(nodes, links);
  const isNew = !fixed.includes(true);
  const [xs = new Float64Array(n), ys = new Float64Array(n)] = isNew ? scaled(d, n) : [];
  if (!isNew) beside(xs, ys, places, d);
  const unit = isNew ? 1 : unitOf(xs, ys, d, fixed);
  const rounds = roundsOf(n);
  for (let round = 0; round < rounds; round++) majorize(xs, ys, d, fixed, unit);
  spread(xs, ys, fixed, closest * unit);
  return boxed(nodes, xs, ys, isNew);
}

const middle = { x: 0.5, y: 0.5 };

/**
 * New nodes begin beside the nearest that has a place.
 * @param {Float64Array} xs @param {Float64Array} ys @param {readonly (Point | undefined)[]} places @param {Float64Array} d
 */
function beside(xs, ys, places, d) {
  const n = xs.length;
  places.forEach((place, i) => {
    let nearest = -1;
    places.forEach((other, j) => {
      if (other !== undefined && (nearest < 0 || at(d, i * n + j) < at(d, i * n + nearest)))
        nearest = j;
    });
    const { x, y } = place ?? places[nearest] ?? middle;
    const [dx, dy] = place === undefined ? aside(i, nearest) : [0, 0];
    [xs[i], ys[i]] = [x + dx, y + dy];
  });
}

/** @param {readonly Placed[]} nodes @param {Float64Array} xs @param {Float64Array} ys @param {boolean} isNew */
function boxed(nodes, xs, ys, isNew) {
  const [left, top] = isNew ? [Math.min(...xs), Math.min(...ys)] : [0, 0];
  const size = isNew ? Math.max(Math.max(...xs) - left, Math.max(...ys) - top) || 1 : 1;
  return new Map(
    nodes.map(({ id }, i) => [id, { x: (at(xs, i) - left) / size, y: (at(ys, i) - top) / size }]),
  );
}
