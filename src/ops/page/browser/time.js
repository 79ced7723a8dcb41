// One clock, the node's, shown in one zone: the browser's, or UTC if that was chosen. Every time on the
// page is said here, and with its zone wherever it stands alone.

let utc = localStorage.getItem("zone") === "utc";

const two = (/** @type {number} */ n) => String(n).padStart(2, "0");

/** Year, month, day, hours, minutes, seconds in the zone. @param {number} ms since 1970 */
function parts(ms) {
  const t = new Date(ms);
  return utc
    ? [
        t.getUTCFullYear(),
        t.getUTCMonth() + 1,
        t.getUTCDate(),
        t.getUTCHours(),
        t.getUTCMinutes(),
        t.getUTCSeconds(),
      ]
    : [
        t.getFullYear(),
        t.getMonth() + 1,
        t.getDate(),
        t.getHours(),
        t.getMinutes(),
        t.getSeconds(),
      ];
}

/** Whether the browser's own zone is another than UTC. */
export function hasZone() {
  return new Date().getTimezoneOffset() !== 0;
}

/** `UTC`, `UTC+1`, `UTC−3:30`: of this moment, since zones change twice a year. @param {number} ms */
export function zoneOf(ms) {
  const offset = utc ? 0 : -new Date(ms).getTimezoneOffset();
  if (offset === 0) return "UTC";
  const [h, m] = [Math.floor(Math.abs(offset) / 60), Math.abs(offset) % 60];
  return `UTC${offset < 0 ? "−" : "+"}${h}${m === 0 ? "" : `:${two(m)}`}`;
}

/** `09:05:07`. @param {number} ms since 1970 */
export function timeOfDay(ms) {
  const [, , , h = 0, m = 0, s = 0] = parts(ms);
  return `${two(h)}:${two(m)}:${two(s)}`;
}

/** `2026-11-28`. @param {number} ms since 1970 */
export function dateOf(ms) {
  const [y = 0, month = 0, d = 0] = parts(ms);
  return `${y}-${two(month)}-${two(d)}`;
}

/** The time, with its date if that is another than of `now`. @param {number} ms @param {number} now */
export function moment(ms, now) {
  const date = dateOf(ms);
  return date === dateOf(now) ? timeOfDay(ms) : `${date} ${timeOfDay(ms)}`;
}

/** Date, time and zone. @param {number} ms */
export function stamp(ms) {
  return `${dateOf(ms)} ${timeOfDay(ms)} ${zoneOf(ms)}`;
}

/** Name of the zone for programs that draw time axes; undefined: the browser's. */
export function zoneName() {
  return utc ? "Etc/UTC" : undefined;
}

/** Shows times in the other zone: the browser's, or UTC. */
export function switchZone() {
  utc = !utc;
  localStorage.setItem("zone", utc ? "utc" : "local");
}
