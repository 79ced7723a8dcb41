/** A network to show: its nodes, its links with their lengths, and between whom keys are relayed. TOML, strict. */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import * as v from "valibot";
import { whyNot } from "../../../src/host/config/files.ts";
import { configError, explain, keyPath, type Problem } from "../../../src/host/config/problems.ts";
import { parseToml, readConfigText } from "../../../src/host/config/read.ts";
import { UsageError } from "../options.ts";

export interface ShapeLink {
  readonly ends: readonly [string, string];
  readonly lengthKm: number;
}

export interface Shape {
  readonly nodes: readonly string[];
  readonly map: Readonly<Record<string, { readonly x: number; readonly y: number }>>;
  readonly links: readonly ShapeLink[];
  readonly pairs: readonly (readonly [string, string])[];
}

/** Each is a process: more than this does not run on a machine that one works at. */
const mostNodes = 32;
const name = v.pipe(
  v.string(),
  v.regex(/^[a-z0-9]{1,24}$/, "expected a name of 1 to 24 letters a–z and digits"),
);
const share = v.pipe(v.number(), v.minValue(0), v.maxValue(1));
const between = v.strictTuple([name, name], "expected the names of two nodes");
const nodeSchema = v.strictObject({ x: v.optional(share), y: v.optional(share) });
const linkSchema = v.strictObject({
  between,
  length_km: v.pipe(v.number(), v.minValue(0), v.maxValue(300)),
});
const pairSchema = v.strictObject({ between });
const schema = v.strictObject({
  node: v.record(name, nodeSchema),
  link: v.record(v.string(), linkSchema),
  pair: v.optional(v.record(v.string(), pairSchema), {}),
});
const schemas = { node: nodeSchema, link: linkSchema, pair: pairSchema } as const;

/** Keys that a table may have. */
function keysAt([table]: readonly (string | number)[]): string[] {
  const of = schemas[table as keyof typeof schemas] ?? schema;
  return Object.keys(of.entries);
}

type Raw = v.InferOutput<typeof schema>;

/** What a schema does not see. */
function checked({ node, link, pair }: Raw): Problem[] {
  const problems: Problem[] = [];
  const nodes = Object.keys(node);
  const complain = (key: string, what: string) => problems.push({ key, what });
  if (nodes.length < 2 || nodes.length > mostNodes) {
    complain("node", `expected 2 to ${mostNodes} nodes, got ${nodes.length}`);
  }
  const known = new Map<string, string>();
  for (const [table, entries] of Object.entries({ link, pair })) {
    for (const [id, { between: ends }] of Object.entries(entries)) {
      const key = `${table}.${id}.between`;
      const stranger = ends.find((one) => node[one] === undefined);
      const both = [...ends].sort().join(" and ");
      const other = known.get(both);
      if (stranger !== undefined) complain(key, `there is no table [node.${stranger}]`);
      else if (ends[0] === ends[1]) complain(key, "expected two different nodes");
      else if (other !== undefined) complain(key, `${both} are of ${other} already`);
      else known.set(both, `${table}.${id}`);
    }
  }
  return problems;
}

/** @throws ConfigError what is wrong with it, all at once */
export function parseShape(text: string, file: string): Shape {
  const raw = v.safeParse(schema, parseToml(text, file));
  if (!raw.success) {
    const problems = raw.issues.map((issue) => ({
      key: keyPath(issue),
      what: explain(issue, keysAt),
    }));
    throw configError(file, text, problems);
  }
  const problems = checked(raw.output);
  if (problems.length > 0) throw configError(file, text, problems);
  const { node, link, pair } = raw.output;
  const nodes = Object.keys(node);
  const map = Object.fromEntries(
    Object.entries(node).flatMap(([id, { x, y }], i) => {
      // Those without a place stand on a circle.
      const angle = (2 * Math.PI * i) / nodes.length;
      const [left, top] = [0.5 - 0.4 * Math.cos(angle), 0.5 - 0.4 * Math.sin(angle)];
      return [[id, { x: x ?? Number(left.toFixed(3)), y: y ?? Number(top.toFixed(3)) }]];
    }),
  );
  return {
    nodes,
    map,
    links: Object.values(link).map((one) => ({ ends: one.between, lengthKm: one.length_km })),
    pairs: Object.values(pair).map(({ between: ends }) => ends),
  };
}

/** One of ours by its name, or a file. @throws ConfigError, UsageError */
export function readShape(which: string): Shape {
  const own = fileURLToPath(new URL(`shapes/${which}.toml`, import.meta.url));
  const isOwn = /^[a-z]+$/.test(which) && existsSync(own);
  const file = isOwn ? own : which;
  if (!existsSync(file)) {
    throw new UsageError(`--network: ${which} is no file, nor one of secoqc, tokyo, nsfnet`);
  }
  return parseShape(readConfigText(file, whyNot), file);
}
