/** Figures as a person reads them. Pure. */

function scaled(value: number, units: readonly string[], step: number): string {
  let rest = value;
  let unit = 0;
  for (; Math.abs(rest) >= step && unit < units.length - 1; unit++) rest /= step;
  return `${rest.toFixed(unit > 0 && Math.abs(rest) < 100 ? 1 : 0)} ${units[unit]}`;
}

export function rate(bitsPerSecond: number | undefined): string {
  if (bitsPerSecond === undefined) return "–";
  return scaled(bitsPerSecond, ["bit/s", "kbit/s", "Mbit/s", "Gbit/s"], 1_000);
}

export function bytes(count: number): string {
  return scaled(count, ["B", "KiB", "MiB", "GiB", "TiB"], 1_024);
}

export function percent(ratio: number | undefined, digits = 2): string {
  return ratio === undefined ? "–" : `${(ratio * 100).toFixed(digits)} %`;
}

/** `1234567` as `1 234 567`. */
export function whole(count: unknown): string {
  if (typeof count !== "number") return "–";
  return String(Math.round(count)).replace(/\B(?=(\d{3})+$)/g, " ");
}

export function duration(seconds: number): string {
  const s = Math.max(0, Math.floor(seconds));
  const two = (n: number) => String(n).padStart(2, "0");
  if (s < 60) return `${s} s`;
  if (s < 3_600) return `${Math.floor(s / 60)} min ${two(s % 60)} s`;
  if (s < 86_400) return `${Math.floor(s / 3_600)} h ${two(Math.floor((s % 3_600) / 60))} min`;
  return `${Math.floor(s / 86_400)} d ${two(Math.floor((s % 86_400) / 3_600))} h`;
}

/** Minutes by which the terminal's clock is before UTC, at this time. */
function offset(time: Date): number {
  return -time.getTimezoneOffset();
}

/** `UTC`, `UTC+01:00` */
function zoneName(minutes: number): string {
  if (minutes === 0) return "UTC";
  const [h, m] = [Math.floor(Math.abs(minutes) / 60), Math.abs(minutes) % 60];
  const two = (n: number) => String(n).padStart(2, "0");
  return `UTC${minutes < 0 ? "-" : "+"}${two(h)}:${two(m)}`;
}

/** How fine times are told. */
type Grain = "s" | "ms";

/** `2026-01-31 12:00:00`, by the terminal's clock. */
function local(time: Date, grain: Grain): string {
  const shifted = new Date(time.getTime() + offset(time) * 60_000);
  return shifted
    .toISOString()
    .slice(0, grain === "s" ? 19 : 23)
    .replace("T", " ");
}

/**
 * `2026-01-31 12:00:00Z`, or `2026-01-31 13:00:00+01:00` where the terminal's clock is another.
 * @param time by RFC 3339
 */
export function moment(time: string, grain: Grain = "s"): string {
  const date = new Date(time);
  if (Number.isNaN(date.getTime())) return time;
  const minutes = offset(date);
  return `${local(date, grain)}${minutes === 0 ? "Z" : zoneName(minutes).slice(3)}`;
}

/** How several times are shown beside each other: their zone once, unless it changes among them. */
export interface Times {
  /** `UTC+01:00`; undefined: each says its own. */
  readonly zone: string | undefined;
  readonly show: (time: string) => string;
}

/** @param times by RFC 3339, all that are to be shown */
export function timesOf(times: readonly string[], grain: Grain = "s"): Times {
  const dates = times.map((time) => new Date(time)).filter((date) => !Number.isNaN(date.getTime()));
  const zones = new Set(dates.map(offset));
  const [only = 0] = zones;
  if (zones.size > 1) return { zone: undefined, show: (time) => moment(time, grain) };
  return {
    zone: zoneName(only),
    show: (time) => {
      const date = new Date(time);
      return Number.isNaN(date.getTime()) ? time : local(date, grain);
    },
  };
}

/** The title of a column of times. */
export function timeTitle({ zone }: Times): string {
  return zone === undefined ? "TIME" : `TIME (${zone})`;
}

/** A figure with six digits that mean something, or a list of them. */
export function figure(value: unknown, unit: string): string {
  if (value === undefined) return "–";
  const numbers = [value].flat().map((one) => {
    const number = Number(one);
    return Math.abs(number) >= 100_000 ? whole(number) : String(Number(number.toPrecision(4)));
  });
  return `${numbers.join(" / ")}${unit === "1" ? "" : ` ${unit}`}`;
}
