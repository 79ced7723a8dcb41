/** Keys that were relayed, or are on their way, when a link turns out not to have been safe: real processes. */
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { promisify } from "node:util";
import test, { type ExecutionContext } from "ava";
import type { Affected, GivenUp } from "../../src/km/records/tellings.ts";
import { eventually } from "../eventually.ts";
import { patience } from "../patience.ts";
import { ApplicationClient, heldKeys } from "../rig/application.ts";
import { KmNet } from "../rig/km-net.ts";
import { programPath } from "../rig/programs.ts";

const run = promisify(execFile);

/** Three in a row; nothing is relayed from a to c by b but what is ordered. */
async function network(t: ExecutionContext) {
  const folder = await mkdtemp(`${tmpdir()}/qkd-relay-`);
  t.teardown(() => rm(folder, { recursive: true }));
  const net = await KmNet.make({
    folder,
    kms: ["a", "b", "c"],
    fibres: [
      ["a", "b"],
      ["b", "c"],
    ],
    far: [
      {
        ends: ["a", "c"],
        table: (end) =>
          end === "a" ? `routes = [["km-b"]]\npool = "manual"\nbatch_bits = 16384` : "",
      },
    ],
    bare: (km) => km === "b",
    relay: (km) => `within_s = 20\n${km === "b" ? `transit = [["km-a", "km-c"]]` : ""}`,
    door: "prepared_keys = 0\n",
  });
  t.teardown(() => net.stop());
  await net.start(patience(30_000));
  const cli = async (km: string, ...args: string[]) => {
    const { stdout } = await run(programPath("qkd-km"), [
      ...args,
      ...["--config", net.km(km).config],
    ]);
    return stdout;
  };
  const json = async <T>(km: string, ...args: string[]): Promise<T> =>
    JSON.parse(await cli(km, ...args, "--json"));
  const link = async (km: string, peer: string) =>
    (await net.km(km).status()).links.find((one) => one.peer === `km-${peer}`);
  for (const [km, peer] of ["ab", "ba", "bc", "cb", "ac", "ca"] as const) {
    await eventually(`${km}${peer} is up`, () => link(km as string, peer as string), {
      when: (one) => one?.session === "ready",
    });
  }
  await net.feedAll(16);
  for (const [km, peer] of ["ab", "bc"]) {
    await eventually(`${km}${peer} has stock`, () => link(km as string, peer as string), {
      when: (one) => (one?.stock_bits ?? 0) >= 16_384,
    });
  }
  return { net, cli, json, link };
}

test.serial("an order ends what is on its way, and both ends know when a key began", async (t) => {
  const { net, cli, json, link } = await network(t);
  const b = net.km("b").process.pid as number;
  process.kill(b, "SIGSTOP");
  t.teardown(() => process.kill(b, "SIGCONT"));
  await cli("a", "relay", "--link", "c", "--bits", "16384");
  const underWay = async () => (await net.km("a").status()).relay?.under_way;
  await eventually("a relay is under way", underWay, { when: (many) => many === 1 });
  const period = ["--from", "1h", "--to", new Date().toISOString()];
  const done = await json<GivenUp>(
    ...["a", "compromise", "--link", "c", ...period, "--delete", "--yes", "km-a"],
  );
  t.like(done, { ended_relays: 1, left_keys: 0, link_up: true });
  process.kill(b, "SIGCONT");
  // What was ordered is relayed again, with a key of its own.
  await eventually("another key came", () => link("c", "a"), {
    when: (one) => (one?.stock_bits ?? 0) + (one?.peer_stock_bits ?? 0) === 16_384,
  });
  for (const [km, far] of [
    ["a", "c"],
    ["c", "a"],
  ] as const) {
    const before = await json<Affected>(km, "compromise", "--link", far, ...period);
    t.like(before, { matched_keys: 0, waiting_keys: 0, free_bits: 0 }, km);
    const all = await json<Affected>(km, "compromise", "--link", far, "--from", "1h");
    t.like(all, { free_bits: 16_384 }, km);
  }
});

test.serial(
  "what was relayed under pads that were not safe is told, and given up at both ends",
  async (t) => {
    const { net, cli, json, link } = await network(t);
    await cli("a", "relay", "--link", "c", "--bits", "32768");
    const stock = (bits: number) => ({
      when: (one: Awaited<ReturnType<typeof link>>) =>
        (one?.stock_bits ?? 0) + (one?.peer_stock_bits ?? 0) === bits,
    });
    await eventually("keys came", () => link("c", "a"), stock(32_768));
    await eventually("keys came", () => link("a", "c"), stock(32_768));
    const [a, c] = (["a", "c"] as const).map((km) => {
      const one = new ApplicationClient(net.km(km) as never, net.km(km).application);
      t.teardown(() => one.close());
      return one;
    }) as [ApplicationClient, ApplicationClient];
    const given = heldKeys(await a.encKeys("app-c", 2));
    const ids = given.map(({ id }) => id);
    t.is(heldKeys(await c.decKeys("app-a", ids)).length, 2);
    const since = ["--from", "1h"];
    // Either end of the last hop finds it by the pads that it lent or took; the KM between names those who have the keys.
    for (const [km, peer, far] of [
      ["a", "b", "c"],
      ["c", "b", "a"],
    ] as const) {
      const { relayed } = await json<Affected>(km, "compromise", "--link", peer, ...since);
      t.like(relayed, { relays: 2, elsewhere: [], unknown: 0 });
      t.like(relayed?.links, [
        { link: far, matched_keys: 2, bits: 32_768, free_bits: 32_768 - 512 },
      ]);
      const listed = relayed?.links[0]?.ksa_keys.map(({ ksa_key }) => ksa_key) ?? [];
      t.deepEqual(listed.sort(), ids.map(String).sort());
    }
    for (const peer of ["a", "c"]) {
      const { relayed } = await json<Affected>("b", "compromise", "--link", peer, ...since);
      t.like(relayed, { relays: 2, links: [], unknown: 0 });
      t.deepEqual(relayed?.elsewhere, [{ kms: ["km-a", "km-c"], relays: 2 }]);
    }
    const told = await cli("b", "compromise", "--link", "c", ...since, "--delete", "--yes", "km-b");
    t.regex(told, /km-a and km-c have the keys of 2 relays/);
    await eventually("nothing was done to them", () => link("a", "c"), stock(32_768 - 512));
    const done = await cli("a", "compromise", "--link", "b", ...since, "--delete", "--yes", "km-a");
    // Two that come together are one extent.
    t.regex(done, /^relayed under its pads, link c: 3\.9 KiB of \d extents? void at both ends$/m);
    t.regex(done, /0 KSA-keys of the link, and 2 KSA-keys of\s+what\s+2\s+relays brought/);
    t.true(done.split("\n").every((line) => line.length <= 80));
    for (const [km, peer] of [
      ["a", "c"],
      ["c", "a"],
    ] as const) {
      await eventually(`nothing is left at ${km}`, () => link(km, peer), stock(0));
    }
    t.not((await a.encKeys("app-c", 1)).status, 200);
  },
);
