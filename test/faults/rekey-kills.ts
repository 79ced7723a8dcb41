/**
 * A key manager that is killed by SIGKILL in the middle of `qkd-km rekey`, at any instant from the order until all is
 * sealed anew, while keys come in. The store opens with one of the two master keys, with the new one if it was said
 * that it has it, and no key is lost.
 */
import { randomBytes } from "node:crypto";
import { mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { delay, systemClock } from "../../src/base/clock.ts";
import { diskFiles } from "../../src/host/disk/files.ts";
import { checkStore, isWhole } from "../../src/km/io/engine/check.ts";
import { opensStore } from "../../src/km/io/engine/keyring.ts";
import type { LinkStatus } from "../../src/km/model/status.ts";
import { ask } from "../../src/ops/cli/client.ts";
import { seedSource } from "../emulator/source/seed.ts";
import { eventually } from "../eventually.ts";
import { patience } from "../patience.ts";
import { random } from "../random.ts";
import { type KmOfPair, KmPair } from "../rig/km-pair.ts";
import { Rig } from "../rig/rig.ts";

export interface RekeyKills {
  readonly kills: number;
  /** Kills before it was said that the store has the new master key, and those while it was sealed anew. */
  readonly early: number;
  readonly resealing: number;
  /** Kills after which the store had the new one. */
  readonly moved: number;
  readonly bits: number;
  readonly broken: readonly string[];
}

const blockBits = 32_768;
/** So many blocks are there before the first kill: sealing them anew takes a while. */
const stockBlocks = 30;
const deadlineMs = 60_000;

export async function killRekeys(kills: number, seed: number): Promise<RekeyKills> {
  await using opened = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), "qkd-rekey-kills-"));
  opened.defer(() => rm(folder, { recursive: true }));
  const kms = await KmPair.make({ folder, modules: ["QKD-A-0001", "QKD-B-0001"] });
  opened.defer(() => kms.stop());
  const config = join(folder, "alice.toml");
  const own = 'master_key_file = "master-alice"\n';
  const text = await readFile(config, "utf8");
  await writeFile(config, text.replace(own, `${own}master_key_next_file = "next"\n`));
  await kms.start(patience(deadlineMs));
  const stream = seedSource({ seed, blockBits, blocks: undefined, clock: systemClock });
  let more = true;
  const source = { ...stream, next: () => (more ? stream.next() : undefined) };
  const rig = await Rig.start({
    ...{ source, keyBits: 256, baud: 0, blockIntervalMs: 50 },
    kmAt: { alice: kms.alice.at, bob: kms.bob.at },
  });
  opened.defer(() => rig.close());
  const { alice } = kms;
  await eventually("some stock", () => matched(alice), {
    ...{ when: (bits) => bits >= blockBits * stockBlocks, deadlineMs },
  });
  const victim = new Victim(folder, alice);
  const draw = random(seed);
  for (let n = 0; n < kills; n++) await victim.killOnce(draw());
  more = false;
  await rig.until("all is released", () => rig.settled(), { deadlineMs });
  let bits = 0;
  for (const { facts } of rig.pair.alice.module.history.values()) bits += facts.bits;
  const { broken, ...told } = victim;
  for (const km of kms.kms) {
    await eventually("all of it is matched", () => matched(km), { is: bits, deadlineMs }).catch(
      (error: Error) => broken.push(`at ${km.end}: ${error.message}`),
    );
  }
  await alice.process.stop();
  const masterKey = await victim.masterKey();
  const check = await checkStore({ folder: `${alice.state}/store`, masterKey });
  if (!isWhole(check)) broken.push(`the store is damaged: ${JSON.stringify(check)}`);
  const { early, resealing, moved } = told;
  return { kills, early, resealing, moved, bits, broken };
}

async function matched(km: KmOfPair): Promise<number> {
  const { links } = await km.status();
  return (links[0] as LinkStatus).matched_bits;
}

class Victim {
  early = 0;
  resealing = 0;
  moved = 0;
  readonly broken: string[] = [];
  readonly #folder: string;
  readonly #km: KmOfPair;
  /** How long an order took lately, from its beginning until all was sealed anew, ms. */
  #span = 100;

  constructor(folder: string, km: KmOfPair) {
    this.#folder = folder;
    this.#km = km;
  }

  /** Of the file that is configured as the store's. */
  masterKey(): Promise<Buffer> {
    return readFile(join(this.#folder, "master-alice"));
  }

  /** @param when part of the usual time after which it is killed, 0 to 1 */
  async killOnce(when: number): Promise<void> {
    const [now, next] = [await this.masterKey(), randomBytes(32)];
    const nextFile = join(this.#folder, "next");
    await writeFile(nextFile, next, { mode: 0o600 });
    await this.#atRest();
    const order = { answered: false, sealed: false };
    const ordered = this.#order(order);
    await Promise.race([ordered, delay(systemClock, when * this.#span * 1.5)]);
    await this.#km.process.stop("SIGKILL");
    await ordered;
    if (!order.answered) this.early++;
    else if (!order.sealed) this.resealing++;

    const store = `${this.#km.state}/store`;
    const opens = await Promise.all([now, next].map((key) => opensStore(diskFiles, store, key)));
    const [byOld, byNew] = opens;
    if (byOld === byNew) this.broken.push(`old opens it: ${byOld}, new: ${byNew}`);
    if (order.answered && !byNew) this.broken.push("the answer was that it has the new master key");
    await this.#km.start(patience(deadlineMs));
    const { store: told } = await this.#km.status();
    const { from } = told.master_key;
    if (from !== (byNew ? "next_file" : "file"))
      this.broken.push(`it says that it is from ${from}`);
    const losses = this.#km.process.lines.filter((line) => /\blost\b/.test(line));
    this.broken.push(...losses);
    if (!byNew) return;
    // What an operator is told to do.
    this.moved++;
    await rename(nextFile, join(this.#folder, "master-alice"));
  }

  /** Sealing anew for the order before went on after its kill; the next can be given after its end. */
  async #atRest(): Promise<void> {
    await eventually("nothing is sealed anew", () => this.#left(), { is: undefined, deadlineMs });
  }

  /** @throws CliError while it does not run */
  async #left(): Promise<number | undefined> {
    return (await this.#km.status()).store.master_key.resealing_bytes;
  }

  async #order(order: { answered: boolean; sealed: boolean }): Promise<void> {
    const control = [`${this.#km.state}/control`];
    const begun = performance.now();
    try {
      await ask(control, "rekey", { confirm: "km-alice" });
      order.answered = true;
      while ((await this.#left()) !== undefined) await delay(systemClock, 5);
      order.sealed = true;
      this.#span = performance.now() - begun;
    } catch {
      // It was killed meanwhile.
    }
  }
}
