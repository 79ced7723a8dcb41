// Numbers and durations as people read them.

/** @param {number} value @param {number} digits significant ones */
function significant(value, digits) {
  if (value === 0) return "0";
  const places = Math.max(0, digits - 1 - Math.floor(Math.log10(Math.abs(value))));
  return value.toFixed(Math.min(places, 6));
}

const prefixes = ["", "k", "M", "G", "T", "P", "E"];

/**
 * Value and unit with a prefix: `[“4.21”, “kbit/s”]`.
 * @param {number} value @param {string} unit
 * @returns {[string, string]}
 */
export function scaled(value, unit) {
  let power = 0;
  let rest = value;
  for (; Math.abs(rest) >= 999.5 && power < prefixes.length - 1; power++) rest /= 1_000;
  const whole = power === 0 && Number.isInteger(value);
  return [whole ? String(value) : significant(rest, 3), `${prefixes[power]}${unit}`];
}

/** @param {number} value @param {string} unit */
export function amount(value, unit) {
  return scaled(value, unit).join("\u00a0");
}

/** @param {number} part 0 to 1 @param {number} [digits] after the point */
export function percent(part, digits = 2) {
  return `${(part * 100).toFixed(digits)}\u00a0%`;
}

/** 12345678 as 12 345 678. @param {number} n */
export function count(n) {
  return String(n).replace(/\B(?=(\d{3})+$)/g, "\u202f");
}

/** @param {number} n @param {string} one @param {string} [many] */
export function counted(n, one, many = `${one}s`) {
  return `${count(n)} ${n === 1 ? one : many}`;
}

/** @param {number} ms */
export function duration(ms) {
  const s = Math.max(0, Math.floor(ms / 1_000));
  const d = Math.floor(s / 86_400);
  const h = Math.floor(s / 3_600) % 24;
  const m = Math.floor(s / 60) % 60;
  if (d > 0) return `${d} d ${h} h`;
  if (h > 0) return `${h} h ${m} min`;
  if (m > 0) return `${m} min ${s % 60} s`;
  return `${s} s`;
}

/** `qber_high` as `qber high`. @param {string} name */
export function words(name) {
  return name.replaceAll("_", " ");
}

/** @param {string} text */
export function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
