import { readFileSync } from "node:fs";
import test from "ava";
import * as v from "valibot";
import { logSchema } from "../../../../src/host/config/values.ts";
import { controllerSchema } from "../../../../src/km/config/controllers.ts";
import { pairSchema, relayHoursSchema, relaySchema } from "../../../../src/km/config/relay.ts";
import * as schema from "../../../../src/km/config/schema.ts";
import { anyCommandKeySchema } from "../../../../src/ops/commands/key-schema.ts";
import { localSchema } from "../../../../src/ops/local/schema.ts";

const readme = readFileSync(
  new URL("../../../../src/km/config/README.md", import.meta.url),
  "utf8",
);
/** Key, default and what is allowed, as the table for people has them. */
const lines = [...readme.matchAll(/^\| `([\w.]+)` \| (.*?) \| (.*?) \| .* \|$/gm)].map(
  ([, key = "", standard = "", allowed = ""]) => ({ key, standard, allowed }),
);

const tables: Readonly<Record<string, { readonly entries: Readonly<Record<string, unknown>> }>> = {
  km: schema.kmSchema,
  store: schema.storeSchema,
  "store.hsm": schema.hsmSchema,
  records: schema.recordsSchema,
  manager: schema.managerSchema,
  "manager.command_key": anyCommandKeySchema,
  alarms: schema.alarmsSchema,
  kq1: schema.kq1Schema,
  kx: schema.kxSchema,
  "module.NAME": schema.moduleSchema,
  "module.NAME.request": schema.requestSchema,
  "link.NAME": schema.linkSchema,
  "link.NAME.relay": pairSchema,
  "link.NAME.relay.hours": relayHoursSchema,
  relay: relaySchema,
  "controller.NAME": controllerSchema,
  etsi014: schema.etsi014Schema,
  skip: schema.skipSchema,
  "sae.NAME": schema.saeSchema,
  web: schema.webSchema,
  log: logSchema,
  local: localSchema,
};

const entries = Object.entries(tables).flatMap(([table, { entries: of }]) =>
  Object.entries(of)
    .filter(([key]) => tables[`${table}.${key}`] === undefined)
    .map(([key, entry]) => ({ key: `${table}.${key}`, entry: entry as v.GenericSchema })),
);

/** What the schema makes of a key that is left out: seconds are ms there. */
function standardOf(key: string, entry: v.GenericSchema): string | undefined {
  const result = v.safeParse(entry, undefined);
  if (!result.success || result.output === undefined) return undefined;
  if (Array.isArray(result.output)) return undefined;
  const value = key.endsWith("_s") ? Number(result.output) / 1_000 : result.output;
  return `\`${value}\``;
}

test("defaults are those of the schema; what has none says so", (t) => {
  for (const { key, entry } of entries) {
    const { standard = "" } = lines.find((line) => line.key === key) ?? {};
    const expected = standardOf(key, entry);
    if (expected !== undefined) t.is(standard, expected, key);
    else t.notRegex(standard, /^`\d|^`true|^`false/, key);
  }
});

test("ranges of numbers are those of the schema", (t) => {
  let seen = 0;
  for (const { key, entry } of entries) {
    const { allowed = "" } = lines.find((line) => line.key === key) ?? {};
    const [, least, most] = /^([\d,]+)–([\d,⁹]+)(?:,|$)/.exec(allowed) ?? [];
    if (least === undefined || most === undefined) continue;
    seen++;
    const number = (text: string) => Number(text.replaceAll(",", "").replace("10⁹", "1000000000"));
    const takes = (value: number) => v.safeParse(entry, value).success;
    const step = /multiple of 8/.test(allowed) ? 8 : 1;
    t.true(takes(number(least)), `${key} takes ${least}`);
    t.true(takes(number(most)), `${key} takes ${most}`);
    t.false(takes(number(least) - step), `${key} takes less`);
    t.false(takes(number(most) + step), `${key} takes more`);
  }
  t.true(seen >= 10);
});

test("values that are words are those of the schema", (t) => {
  for (const { key, entry } of entries) {
    const { allowed = "" } = lines.find((line) => line.key === key) ?? {};
    if (!/^(`\w+` ?)+$/.test(allowed)) continue;
    const words = [...allowed.matchAll(/`(\w+)`/g)].map(([, word]) => word);
    for (const word of words) {
      const literal = /^(true|false|\d+)$/.test(word ?? "");
      const value: unknown = literal ? JSON.parse(word ?? "") : word;
      t.true(v.safeParse(entry, value).success, `${key} takes ${word}`);
    }
    t.false(v.safeParse(entry, "another").success);
  }
});
