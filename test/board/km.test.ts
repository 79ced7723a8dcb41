/** Two boards with a key manager each: the first key for an application, and what may happen while keys are asked for. */
import { fileURLToPath } from "node:url";
import test from "ava";
import { builtFiles } from "../../scripts/image.d/build.ts";
import { delay, systemClock } from "../../src/base/clock.ts";
import type { KmStatus, LinkStatus } from "../../src/km/model/status.ts";
import { type ApplicationClient, type HeldKey, heldKeys } from "../rig/application.ts";
import { changedIsRefused, doctorIsContent, haveRoom, isConfined } from "./checks.ts";
import { lifeOf } from "./life.ts";
import { type End, ends, saes, TwoBoards } from "./two-boards.ts";

const image =
  process.env.QKD_IMAGE ?? fileURLToPath(new URL("../../dist/image/qemu/virt", import.meta.url));
const keepAlive = setInterval(() => {}, 60_000);
/** The long campaign has 50. */
const cuts = Number(process.env.QKD_CUTS ?? 1);
const figures: Record<string, unknown> = {};

let two: TwoBoards;
let applications: Record<End, ApplicationClient>;
/** Keys that were fetched at both ends. */
const seen = new Set<string>();

test.before(async () => {
  if (builtFiles(image) === undefined) throw new Error("no image: scripts/image build");
  two = await TwoBoards.open(image);
});

test.after.always(async (t) => {
  t.log(JSON.stringify(figures));
  for (const one of Object.values(applications ?? {})) one.close();
  await two?.close();
  clearInterval(keepAlive);
});

const life = lifeOf(
  () => two.boards.alice,
  40,
  async () => [two.boards.bob.console.slice(-3_000)],
);

/** Asks at one end and fetches at the other. @returns undefined if there is no key just now */
async function exchange(from: End, to: End): Promise<readonly [HeldKey, HeldKey] | undefined> {
  try {
    const [own] = heldKeys(await applications[from].encKeys(saes[to]));
    if (own === undefined) return undefined;
    const [other] = heldKeys(await applications[to].decKeys(saes[from], [own.id]));
    return other && [own, other];
  } catch {
    // The board is off, or starts.
    return undefined;
  }
}

/** Keys until so many were the same at both ends. @throws Error if one differs, or comes twice */
async function agree(count: number, seconds = 600): Promise<void> {
  let agreed = 0;
  await two.boards.alice.until(async () => {
    const [from, to] = agreed % 2 === 0 ? (["alice", "bob"] as const) : (["bob", "alice"] as const);
    const keys = await exchange(from, to);
    if (keys === undefined) return false;
    const [own, other] = keys;
    if (own.id !== other.id || own.digest !== other.digest) throw new Error("the keys differ");
    if (seen.has(own.digest)) throw new Error("a key was given twice");
    seen.add(own.digest);
    agreed += 1;
    return agreed >= count;
  }, seconds);
}

life("both make their keys, and take node and key manager from a stick", async (t) => {
  for (const end of ends) {
    const board = two.boards[end];
    await board.on();
    await board.reachable(900);
  }
  await two.provision();
  for (const end of ends) {
    const board = two.boards[end];
    const state = (unit: string) => board.sh(`systemctl show -P ActiveState ${unit}`);
    t.is((await state("qkd-node")).trim(), "active", end);
    t.is((await state("qkd-km")).trim(), "active", end);
  }
});

life("applications at both ends get the same keys", async (t) => {
  applications = { alice: two.application("alice"), bob: two.application("bob") };
  const began = performance.now();
  await agree(1, 900);
  figures.first_key_s = Math.round((performance.now() - began) / 1_000);
  await agree(8);
  for (const end of ends) {
    const board = two.boards[end];
    for (const unit of ["qkd-node", "qkd-km"]) {
      await board.until(async () =>
        /^healthy/.test(await board.sh(`systemctl show -P StatusText ${unit}`)),
      );
    }
    t.is((await board.sh("systemctl list-units --failed --plain --no-legend")).trim(), "", end);
  }
});

life("the doctor finds nothing wrong with node and key manager", async (t) => {
  const board = two.boards.alice;
  for (const program of ["qkd-node", "qkd-km"]) await doctorIsContent(t, board, program);
});

life("a board of 1 GB has room for all of ours", async (t) => {
  const board = two.boards.alice;
  figures.memory_mb = await haveRoom(t, board, ["qkd-node", "qkd-km", "qkd-panel"]);
});

life("the sandbox of the key manager is in force, and sees nothing of the node's", async (t) => {
  const board = two.boards.alice;
  // Its own program for that is executed within it.
  await board.sh("systemctl reload qkd-node qkd-km");
  figures.exposure = await isConfined(t, board, "qkd-km", ["/var/lib/qkd-node"]);
});

life(
  "a key manager's configuration that was changed on the disk is refused, and the console says so",
  async (t) => {
    await changedIsRefused(t, two.boards.bob, "km", "sed -i s/fibre/fibra/ $file");
    await agree(2);
  },
);

life(
  `${cuts} power cuts while keys are asked for: no key differs, none is given twice`,
  async (t) => {
    const ready: number[] = [];
    const without: number[] = [];
    for (let i = 0; i < cuts; i++) {
      const end = ends[i % 2] as End;
      const asking = agree(4).catch((error: unknown) => error);
      await delay(systemClock, Math.random() * 5_000);
      await two.boards[end].cutPower();
      const began = performance.now();
      await two.boards[end].on();
      const back = agree(1, 900).then(
        () => without.push(Math.round((performance.now() - began) / 1_000)),
        (error: unknown) => t.fail(String(error)),
      );
      ready.push(Math.round(await two.boards[end].says(/Started.*qkd-km/, 900)));
      await two.boards[end].reachable(900);
      t.is(await asking, undefined);
      await back;
      await agree(4);
      if (cuts > 1) process.stderr.write(`cut ${i + 1}: ready after ${ready.at(-1)} s\n`);
    }
    const shown = (all: number[]) => {
      all.sort((a, b) => a - b);
      return { median: all[all.length >> 1], most: all.at(-1) };
    };
    figures.ready_s = shown(ready);
    // From power on to a key that was asked for at one end and fetched at the other.
    figures.without_keys_s = shown(without);
    figures.keys = seen.size;
    // The books of both ends say the same, once nothing comes any more.
    two.darken();
    const books = async (end: End): Promise<LinkStatus> => {
      const status = JSON.parse(await two.boards[end].sh("qkd-km status --json", 300)) as KmStatus;
      return status.links[0] as LinkStatus;
    };
    await two.boards.alice.until(async () => {
      const [a, b] = await Promise.all([books("alice"), books("bob")]);
      return (
        [a, b].every(({ session, waiting_keys }) => session === "ready" && waiting_keys === 0) &&
        a.matched_bits === b.matched_bits &&
        a.taken_bits === b.taken_bits &&
        a.stock_bits === b.peer_stock_bits &&
        b.stock_bits === a.peer_stock_bits
      );
    });
  },
  40 + 8 * cuts,
);
