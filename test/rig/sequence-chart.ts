/** A recording as a sequence chart of Mermaid, which is text too; and its place in a document. */
import type { Seen } from "./wire-recorder.ts";

/** Who takes part, in the order of the figures of Q.4160. */
const order = ["app", "km", "controller"];

function place(name: string): string {
  const kind = order.findIndex((one) => name.startsWith(one));
  return `${name.startsWith("controller") ? "~" : name.replace(/^.*-/, "")}${kind}`;
}

export function chartOf(seen: readonly Seen[]): string {
  const names = [...new Set(seen.flatMap(({ from, to }) => [from, to]))];
  names.sort((a, b) => (place(a) < place(b) ? -1 : 1));
  return [
    "sequenceDiagram",
    "  autonumber",
    ...names.map((name) => `  participant ${name.replace("-", "_")} as ${name}`),
    ...seen.map(
      ({ from, to, what }) => `  ${from.replace("-", "_")}->>${to.replace("-", "_")}: ${what}`,
    ),
  ].join("\n");
}

/** @returns the document with this chart under the heading that begins with its name */
export function chartIn(document: string, name: string, chart: string): string {
  const escaped = name.replaceAll(".", "\\.");
  const block = new RegExp(`(^## ${escaped}[:\\n][^#]*?\`\`\`mermaid\\n)[^\`]*(\`\`\`)`, "m");
  if (!block.test(document)) throw new Error(`no place for the chart of ${name}`);
  return document.replace(block, (_all, head: string, end: string) => `${head}${chart}\n${end}`);
}
