import { readFileSync } from "node:fs";
import test from "ava";
import * as v from "valibot";
import { logSchema } from "../../../src/host/config/values.ts";
import { parsePskConfig } from "../../../src/psk/config/load.ts";
import * as schema from "../../../src/psk/config/schema.ts";

const readme = readFileSync(new URL("../../../src/psk/README.md", import.meta.url), "utf8");
const lines = [...readme.matchAll(/^\| `([\w.]+)` \| (.*?) \| .*\|$/gm)];

const tables = {
  km: schema.kmSchema,
  peer: schema.peerSchema,
  listen: schema.listenSchema,
  wireguard: schema.wireguardSchema,
  strongswan: schema.strongswanSchema,
  command: schema.commandSchema,
  log: logSchema,
};

const entries: [string, v.GenericSchema][] = [
  ...Object.entries(schema.configSchema.entries).filter(([key]) => !(key in tables)),
  ...Object.entries(tables).flatMap(([table, { entries: of }]) =>
    Object.entries(of).map(([key, entry]) => [`${table}.${key}`, entry] as [string, never]),
  ),
] as [string, v.GenericSchema][];

test("the README's table has every key, and no other, and their defaults", (t) => {
  t.deepEqual(lines.map(([, key]) => key).sort(), entries.map(([key]) => key).sort());
  for (const [key, entry] of entries) {
    const standard = lines.find(([, name]) => name === key)?.[2] ?? "";
    const result = v.safeParse(entry, undefined);
    if (!result.success || result.output === undefined) t.notRegex(standard, /^`\d/, key);
    else {
      const value = key.endsWith("_s") ? Number(result.output) / 1_000 : result.output;
      t.is(standard, `\`${value}\``, key);
    }
  }
});

test("what does not fit together is told, all of it at once", (t) => {
  const text = `role = "slave"
state_dir = "/run/x"
key_bits = 512
[km]
url = "https://km"
ca = "ca"
cert = "cert"
key = "key"
[peer]
sae = "b"
host = "h"
[wireguard]
interface = "wg0"
peer = "${"A".repeat(43)}="
[strongswan]
ppk_id = "x"
`;
  const error = t.throws(() => parsePskConfig(text, "/x/psk.toml"));
  const located = (error as unknown as { located: string[] }).located.join("\n");
  for (const part of [
    /expected one of \[wireguard\], \[strongswan\] and \[command\]/,
    /key_bits: WireGuard's pre-shared keys have 256 bits/,
    /listen: missing/,
    /peer\.host: is the master's/,
  ]) {
    t.regex(located, part);
  }
});
