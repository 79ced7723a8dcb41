/** Two boards with a key manager each, of which one takes an update while applications at both ends ask for keys. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import test from "ava";
import { builtFiles } from "../../scripts/image.d/build.ts";
import { delay, systemClock } from "../../src/base/clock.ts";
import { type ApplicationClient, type HeldKey, heldKeys } from "../rig/application.ts";
import { lifeOf } from "./life.ts";
import { Stick } from "./stick.ts";
import { type End, ends, saes, shown, TwoBoards } from "./two-boards.ts";
import { makeVariant, testKeys } from "./variant.ts";

const image =
  process.env.QKD_IMAGE ?? fileURLToPath(new URL("../../dist/image/qemu/virt", import.meta.url));
const keepAlive = setInterval(() => {}, 60_000);
const figures: Record<string, unknown> = {};
const folder = mkdtempSync(join(tmpdir(), "qkd-km-update-"));
/** A key that was given at one end waits an hour for the other: nothing is asked for in vain for so long. */
const patienceMs = 15 * 60_000;

let two: TwoBoards;
let applications: Record<End, ApplicationClient>;
let bundle: string;

test.before(async () => {
  if (builtFiles(image) === undefined) throw new Error("no image: scripts/image build");
  const keys = await testKeys(folder);
  const common = { from: image, keys, append: shown };
  await makeVariant({ ...common, out: join(folder, "first"), version: "0.1.0", disk: true });
  bundle = await makeVariant({ ...common, out: join(folder, "second"), version: "0.1.1" });
  two = await TwoBoards.open(join(folder, "first"), { start: "firmware" });
});

test.after.always(async (t) => {
  t.log(JSON.stringify(figures));
  for (const one of Object.values(applications ?? {})) one.close();
  await two?.close();
  rmSync(folder, { recursive: true, force: true });
  clearInterval(keepAlive);
});

const life = lifeOf(
  () => two.boards.alice,
  40,
  async () => [two.boards.bob.console.slice(-3_000)],
);

/** What an application that asks again and again has seen. */
class Exchanges {
  /** Keys that are the same at both ends, by digest. */
  readonly agreed = new Set<string>();
  /** Asked for again, since there was no answer or none with a key. */
  again = 0;
  /** Given at one end, and refused for good at the other. */
  lost = 0;
  /** How long there was no new key at both ends at the longest, s. */
  longest = 0;
  #last = performance.now();
  #over = false;
  readonly #running: Promise<unknown>;

  constructor() {
    this.#running = Promise.all([this.#run("alice", "bob"), this.#run("bob", "alice")]);
  }

  /** @throws Error if a key differed, or came twice */
  async end(): Promise<void> {
    this.#over = true;
    await this.#running;
  }

  async #run(from: End, to: End): Promise<void> {
    while (!this.#over) {
      const own = await this.#key(() => applications[from].encKeys(saes[to]));
      if (own === undefined) continue;
      const other = await this.#key(() => applications[to].decKeys(saes[from], [own.id]));
      if (other === undefined) continue;
      if (own.id !== other.id || own.digest !== other.digest) throw new Error("the keys differ");
      if (this.agreed.has(own.digest)) throw new Error("a key was given twice");
      this.agreed.add(own.digest);
      this.longest = Math.max(this.longest, (performance.now() - this.#last) / 1_000);
      this.#last = performance.now();
      await delay(systemClock, 200);
    }
  }

  /** Asks until there is a key, or until it is said that there will be none. */
  async #key(ask: () => ReturnType<ApplicationClient["encKeys"]>): Promise<HeldKey | undefined> {
    const until = performance.now() + patienceMs;
    while (performance.now() < until) {
      const reply = await ask().catch(() => undefined);
      if (reply?.status === 200) return heldKeys(reply)[0];
      if (reply?.status === 400) {
        this.lost++;
        return undefined;
      }
      this.again++;
      await delay(systemClock, 500);
    }
    throw new Error("no key for a quarter of an hour");
  }
}

life("both start as hardware does, and applications get the same keys", async (t) => {
  for (const end of ends) {
    await two.boards[end].on();
    await two.boards[end].reachable(900);
  }
  await two.provision();
  applications = { alice: two.application("alice"), bob: two.application("bob") };
  const asking = new Exchanges();
  await two.boards.alice.until(() => asking.agreed.size >= 20, 900);
  await asking.end();
  t.is(asking.lost, 0);
});

life(
  "an update while applications ask: each has its keys again, none differs, none is given twice",
  async (t) => {
    const board = two.boards.alice;
    const stick = new Stick(folder, "UPDATES", 192);
    stick.copy(bundle, "update.raucb");
    await stick.plug(board);
    const disk = "/dev/disk/by-label/UPDATES";
    await board.until(async () => (await board.run(`test -e ${disk}`)).code === 0);
    await board.sh(`mkdir -p /run/u && mount -o ro ${disk} /run/u`);
    t.is((await board.sh("cat /run/qkd-slot")).trim(), "a");

    const asking = new Exchanges();
    await board.until(() => asking.agreed.size >= 10);
    const starts = () => board.console.match(/EFI stub: Booting/g)?.length ?? 0;
    const before = starts();
    const installed = board.run(
      `qkd-node update install /run/u/update.raucb --yes ${two.idOf("alice")}`,
      1_800,
    );
    // The machine may be gone before its shell has said so.
    installed.catch(() => {});
    await board.until(() => starts() > before, 2_400);
    const began = performance.now();
    const agreed = asking.agreed.size;
    await board.until(() => asking.agreed.size > agreed + 20, 1_800);
    figures.start_to_keys_s = Math.round((performance.now() - began) / 1_000);
    await board.reachable(900);
    t.is((await board.sh("cat /run/qkd-slot")).trim(), "b");
    await board.until(async () =>
      /^healthy/.test(await board.sh("systemctl show -P StatusText qkd-km")),
    );
    await asking.end();
    figures.without_keys_s = Math.round(asking.longest);
    figures.keys = asking.agreed.size;
    figures.asked_again = asking.again;
    // It stops in order: what was answered at one end was fetched at the other.
    t.is(asking.lost, 0);
  },
  90,
);
