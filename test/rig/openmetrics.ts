/** The reference reader of OpenMetrics, of Debian's python3-prometheus-client. */
import { spawnSync } from "node:child_process";

const reader = `
import json, sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
families = text_string_to_metric_families(sys.stdin.read())
print(json.dumps([[f.name, f.type, f.unit, [[s.name, s.labels, s.value] for s in f.samples]] for f in families]))
`;
const python = "/usr/bin/python3";

export const hasReader =
  spawnSync(python, ["-c", "import prometheus_client.openmetrics.parser"]).status === 0;

type Sample = readonly [name: string, labels: Readonly<Record<string, string>>, value: number];
export type Read = readonly [name: string, type: string, unit: string, samples: readonly Sample[]];

/** @returns what it says is wrong, and what it has read */
export function readMetrics(text: string): { readonly wrong: string; readonly found: Read[] } {
  const { status, stdout, stderr } = spawnSync(python, ["-c", reader], {
    input: text,
    encoding: "utf8",
  });
  return { wrong: stderr, found: status === 0 ? (JSON.parse(stdout) as Read[]) : [] };
}
