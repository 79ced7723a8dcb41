/** Each dialect against a KME that speaks it, and against what it is not told for. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import anyTest, { type TestFn } from "ava";
import { type DialectName, dialectNames, dialects } from "../../../../drivers/etsi014/dialects.ts";
import { KmeClient } from "../../../../drivers/etsi014/kme-client.ts";
import { systemClock } from "../../../../src/base/clock.ts";
import { type KmeEnd, KmePair, type KmeSettings, kmeCertificates } from "../../../rig/kme-pair.ts";
import { each } from "../../../whole-run.ts";

const test = anyTest as TestFn;
let folder = "";

/** What a KME must be like to need the row. */
const needs: Readonly<Record<DialectName, KmeSettings>> = {
  standard: {},
  get: { get_only: 1 },
  "empty-400": { empty: 400 },
  "empty-404": { empty: 404, unknown: 422 },
  "unknown-401": { unknown: 401 },
  "fixed-size": { fixed: 1, size: 512 },
  "master-in-ids": { want_master: 1 },
  "upper-case": { upper: 1 },
};

/** What makes no difference. */
const indifferent: readonly KmeSettings[] = [
  { http: "1.0" },
  { chunked: 1 },
  { texts: 1 },
  { sae_in: "san" },
  { sae_in: "cn" },
];

test.before(async () => {
  folder = mkdtempSync(join(tmpdir(), "qkd-dialects-"));
  await kmeCertificates(folder);
});

test.after.always(() => rmSync(folder, { recursive: true, force: true }));

function client(
  pair: KmePair,
  end: KmeEnd,
  dialect: DialectName,
  keyBits: number | undefined,
): KmeClient {
  const file = (name: string) => join(folder, name);
  return new KmeClient({
    url: pair.url(end),
    serverName: "127.0.0.1",
    files: { ca: file("ca.crt"), cert: file(`sae-${end}.crt`), key: file(`sae-${end}.key`) },
    partner: end === "a" ? "sae-b" : "sae-a",
    own: `sae-${end}`,
    dialect: dialects[dialect],
    keyBits,
    timeout: 5_000,
    clock: systemClock,
  });
}

/** Keys go from one end to the other, and none is there afterwards. */
async function flows(settings: KmeSettings, dialect: DialectName): Promise<string> {
  const pair = await KmePair.start(folder, settings);
  const bits = settings.fixed === 1 ? 128 : undefined;
  const [a, b] = [client(pair, "a", dialect, bits), client(pair, "b", dialect, bits)];
  try {
    await pair.ask({ make: 5 });
    if ((await a.status())?.stored !== 5) return "stock";
    const number = dialect === "get" ? 1 : 3;
    const taken = await a.take(number);
    if (taken.kind !== "keys" || taken.keys.length !== number) return `enc_keys: ${taken.kind}`;
    const ids = taken.keys.map(({ id }) => id);
    const found = await b.fetch(ids);
    if (found.kind !== "keys" || found.keys.length !== number) return `dec_keys: ${found.kind}`;
    const same = found.keys.every(({ bytes }, i) => taken.keys[i]?.bytes.equals(bytes));
    if (!same) return "other bytes";
    const again = await b.fetch(ids);
    if (again.kind !== "unknown") return `again: ${again.kind}`;
    const empty = await a.take(100);
    return empty.kind === "later" ? "" : `empty: ${empty.kind}`;
  } finally {
    a.close();
    b.close();
    await pair.close();
  }
}

for (const name of dialectNames) {
  test.serial(`a KME that needs the dialect ${name}`, async (t) => {
    t.is(await flows(needs[name], name), "");
    if (name === "standard") return;
    const other = await flows(needs[name], "standard").catch((error: Error) => error.message);
    t.not(other, "", "another dialect does not do");
  });
}

for (const settings of each(indifferent)) {
  test.serial(`what makes no difference: ${JSON.stringify(settings)}`, async (t) => {
    t.is(await flows(settings, "standard"), "");
  });
}
