/** Metrics of things of one kind, as a table: a row for each metric, with a sample of each thing. Pure. */
import type { Family, Sample } from "./exposition.ts";

/** A metric of each `T`; undefined: this one has no sample of it. */
export type MetricOf<T> = readonly [
  name: string,
  type: "counter" | "gauge",
  unit: string | undefined,
  help: string,
  value: (one: T) => number | undefined,
];

export function familiesOf<T>(
  table: readonly MetricOf<T>[],
  things: readonly T[],
  labelsOf: (thing: T) => Record<string, string>,
): Family[] {
  return table.map(([name, type, unit, help, value]) => ({
    name,
    type,
    ...(unit !== undefined && { unit }),
    help,
    samples: things.flatMap((thing): Sample[] => {
      const told = value(thing);
      return told === undefined ? [] : [{ labels: labelsOf(thing), value: told }];
    }),
  }));
}
