/** Figures of the past as tables that a spreadsheet reads. Pure. */

type Values = readonly (number | null)[];

/** As the local socket tells it. */
export interface PastModule {
  readonly module: string;
  readonly parts: readonly {
    readonly name: string;
    /** RFC 3339 */
    readonly start: string;
    readonly step_ms: number;
    readonly figures: Readonly<
      Record<string, { readonly mean: Values; readonly min: Values; readonly max: Values }>
    >;
  }[];
}

/** @returns names of files and what is in them; rows without any value are left out */
export function telemetryCsv({ module, parts }: PastModule): (readonly [string, string])[] {
  return parts.map(({ name, start, step_ms, figures }) => {
    const columns = Object.entries(figures).flatMap(([figure, { mean, min, max }]) => [
      { title: `${figure}_mean`, values: mean },
      { title: `${figure}_min`, values: min },
      { title: `${figure}_max`, values: max },
    ]);
    const begin = Date.parse(start);
    const rows = Array.from({ length: columns[0]?.values.length ?? 0 }, (_, i) => {
      const cells = columns.map(({ values }) => values[i] ?? "");
      if (cells.every((cell) => cell === "")) return "";
      return `${[new Date(begin + i * step_ms).toISOString(), ...cells].join(",")}\n`;
    });
    const head = `${["time", ...columns.map(({ title }) => title)].join(",")}\n`;
    return [`telemetry/${module}-${name}.csv`, head + rows.join("")] as const;
  });
}
