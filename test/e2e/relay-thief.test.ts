/** The disks of KMs that a key was relayed through, with their master keys: neither has the key, nor do all of their bytes together. */
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import test from "ava";
import { eventually } from "../eventually.ts";
import { patience } from "../patience.ts";
import { ApplicationClient } from "../rig/application.ts";
import { KmNet, type KmOfNet } from "../rig/km-net.ts";
import { steal } from "../rig/store-thief.ts";

/** All that its disk gives back, of all of its links. */
async function lootOf({ state, masterKey }: KmOfNet, links: readonly string[]): Promise<Buffer[]> {
  const files = new Map<string, Buffer>();
  const folder = `${state}/store`;
  for (const name of await readdir(folder, { recursive: true })) {
    const bytes = await readFile(`${folder}/${name}`).catch(() => undefined);
    if (bytes !== undefined) files.set(`/${name}`, bytes);
  }
  const key = await readFile(masterKey);
  return links.flatMap((link) => steal(files, key, { link, extents: 40 }));
}

const window = 16;
/** QKD-keys of each fibre, and bytes of each. */
const [fed, keyBytes] = [8, 4_096];

/** Whether a key, or the XOR of two stretches that make it, is among bytes. */
function gives(loot: readonly Buffer[], key: Buffer): boolean {
  const head = key.subarray(0, window);
  const windows = new Set<string>();
  for (const part of loot) {
    for (let at = 0; at + window <= part.length; at++) {
      windows.add(part.toString("latin1", at, at + window));
    }
  }
  if (windows.has(head.toString("latin1"))) return true;
  const other = Buffer.alloc(window);
  for (const one of windows) {
    for (let i = 0; i < window; i++) other[i] = one.charCodeAt(i) ^ (head[i] as number);
    if (windows.has(other.toString("latin1"))) return true;
  }
  return false;
}

test.serial(
  "disks and master keys of the KMs between do not give back what was relayed as XORs",
  async (t) => {
    const folder = await mkdtemp(`${tmpdir()}/qkd-relay-`);
    t.teardown(() => rm(folder, { recursive: true }));
    const net = await KmNet.make({
      folder,
      kms: ["a", "b", "c", "d"],
      fibres: [
        ["a", "b"],
        ["b", "c"],
        ["c", "d"],
      ],
      far: [
        {
          ends: ["a", "d"],
          table: (end) =>
            end === "a"
              ? `routes = [["km-b", "km-c"]]\nscheme = "destination"\npool = "manual"\nbatch_bits = 8192`
              : "",
        },
        // What tags the XORs of b to d.
        {
          ends: ["b", "d"],
          table: (end) =>
            end === "b" ? `routes = [["km-c"]]\nlow_bits = 16384\nbatch_bits = 8192` : "",
        },
      ],
      relay: () => `transit = [["*", "*"]]\nwithin_s = 20`,
      link: `matching_mac = "one-time"\n`,
      door: "answer_timeout_s = 20\n",
    });
    t.teardown(() => net.stop());
    await net.start(patience(30_000));
    await net.feedAll(fed, keyBytes);
    const linksOf = { b: ["a", "c", "d"], c: ["b", "d"] };
    const lootAt = (name: "b" | "c") => lootOf(net.km(name), linksOf[name]);
    // All that is fed is stock, and what tags are made of was relayed: what b and c have before any key is asked for.
    for (const name of ["b", "c"] as const) {
      await eventually(`${name} has stock`, () => net.km(name).status(), {
        when: ({ links }) =>
          links.every(({ stock_bits, matched_bits, modules }) => {
            const isRelayed = modules?.length === 0;
            return stock_bits > 0 && matched_bits >= (isRelayed ? 1 : fed * keyBytes * 8);
          }),
      });
    }
    const before = { b: await lootAt("b"), c: await lootAt("c") };
    const client = new ApplicationClient(net.km("a") as never, net.km("a").application);
    t.teardown(() => client.close());
    const asked = () => client.encKeys("app-d", 4);
    const answer = await eventually("keys of a and d", asked, {
      when: ({ status }) => status === 200,
    });
    const keys = (answer.body as { keys: { key: string }[] }).keys.map(({ key }) =>
      Buffer.from(key, "base64"),
    );
    t.is(keys.length, 4);
    // The search finds what can be computed: the first KM between has the key as stock of its hop …
    t.true(
      keys.every((key) => gives(before.b, key)),
      "b had it",
    );
    // … the second has it neither so, nor as an XOR of two pieces; with the XOR that went past it, it would.
    t.false(
      keys.some((key) => gives(before.c, key)),
      "c never had it",
    );
    const [piece] = before.c;
    const [key] = keys;
    t.true(piece !== undefined && piece.length >= window && key !== undefined);
    const passing = Buffer.from(key as Buffer).map((byte, i) => byte ^ (piece?.[i] as number));
    t.true(gives([...before.c, Buffer.from(passing)], key as Buffer), "as an XOR");
    for (const name of ["b", "c"] as const) {
      const look = () => lootAt(name);
      // Key that is there in the open: else the thief would be no proof.
      t.true((await look()).reduce((sum, { length }) => sum + length, 0) > 1_000, name);
      // What was used up is gone within the stated window.
      await eventually(`${name} has nothing of the keys`, look, {
        when: (loot) => !keys.some((key) => gives(loot, key)),
        pauseMs: 500,
        about: () => "",
      });
    }
  },
);
