/** Keys that were relayed, or are on their way, when a link turns out not to have been safe: real processes. */
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { promisify } from "node:util";
import test, { type ExecutionContext } from "ava";
import type { Affected, GivenUp } from "../../src/km/records/tellings.ts";
import { eventually } from "../eventually.ts";
import { patience } from "../patience.ts";
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
