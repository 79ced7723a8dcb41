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

/** `2026-01-31 12:00:00Z`, of a time by RFC 3339 in UTC. */
export function moment(time: string): string {
  return time.replace("T", " ").replace(/\.\d+Z$/, "Z");
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
