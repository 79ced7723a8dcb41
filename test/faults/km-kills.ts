/**
 * Key managers and nodes of a link that are killed at random, by SIGKILL, while keys flow and applications ask for
 * them. In the end five ledgers agree: what the modules let go of is matched at both key managers, all of it, once;
 * both tell the same stock; and what one application was given, only its partner has, once, the same.
 */
import { readFile } from "node:fs/promises";
import { systemClock } from "../../src/base/clock.ts";
import type { LinkStatus } from "../../src/km/model/status.ts";
import { seedSource } from "../emulator/source/seed.ts";
import { eventually } from "../eventually.ts";
import { patience } from "../patience.ts";
import { random } from "../random.ts";
import type { KmPair } from "../rig/km-pair.ts";
import { Rig } from "../rig/rig.ts";
import { Asker, KeyLedger } from "./application-ledger.ts";

export interface KmKillResult {
  readonly kills: number;
  /** Bits that the modules distilled, and that are stock at both ends. */
  readonly bits: number;
  readonly matched: number;
  /** Keys that both applications have; that one has and the other was refused. */
  readonly keys: number;
  readonly halves: number;
  /** Longest time from a start of a key manager to its being ready, ms. */
  readonly slowest: number;
  readonly broken: readonly string[];
}

const keyBits = 256;
const blockBits = 4_096;
/** Keys that an application of this campaign fetches at once. */
const mostOfQuestion = 3;
/** What does not come up or come to rest by then hangs, ms. */
const deadlineMs = 60_000;

/**
 * @param kills in all, of either key manager and either node
 * @param signal SIGTERM: nodes and key managers stop in order, and then no application is left alone with a key, unless a key
 *   manager has said so
 */
export async function killKms(
  kills: number,
  seed: number,
  signal: "SIGKILL" | "SIGTERM" = "SIGKILL",
): Promise<KmKillResult> {
  const inOrder = signal === "SIGTERM";
  const draw = random(seed);
  const stream = seedSource({ seed, blocks: undefined, blockBits, clock: systemClock });
  let more = true;
  const source = { ...stream, next: () => (more ? stream.next() : undefined) };
  const opened = new AsyncDisposableStack();
  const rig = opened.use(
    await Rig.start({ source, keyBits, baud: 0, blockIntervalMs: 20, realKms: true }),
  );
  try {
    const kms = rig.kms as KmPair;
    const ledger = new KeyLedger();
    const askers = [
      new Asker(kms.alice, kms.bob, ledger, random(seed + 1)),
      new Asker(kms.bob, kms.alice, ledger, random(seed + 2)),
    ];
    for (const asker of askers) opened.defer(() => asker.close());
    for (const asker of askers) asker.start();
    let slowest = 0;
    for (let n = 0; n < kills; n++) {
      await new Promise((resolve) => setTimeout(resolve, draw() * 400));
      const which = Math.floor(draw() * 4);
      if (which < 2) {
        const { node } = rig.ends[which] ?? rig.alice;
        await node.stop(signal);
        node.start();
        continue;
      }
      const km = kms.kms[which - 2] ?? kms.alice;
      await km.process.stop(signal);
      const begun = performance.now();
      // In the middle of starting, too.
      if (!inOrder && draw() < 0.2) {
        km.process.start();
        continue;
      }
      await km.start(patience(deadlineMs));
      slowest = Math.max(slowest, performance.now() - begun);
    }
    for (const { process } of kms.kms) process.start();
    // A short campaign on a slow machine: applications have their turn, too.
    await rig.until("keys for applications", () => ledger.keys, { atLeast: 1, deadlineMs });
    more = false;
    await rig.until("all is released", () => rig.settled(), { deadlineMs });
    for (const asker of askers) await asker.settle(deadlineMs);
    const told = { kills, slowest, keys: ledger.keys, halves: ledger.halves };
    const result = await compare(rig, kms, told);
    const alone = inOrder ? await aloneUntold(ledger, kms) : [];
    return { ...result, broken: [...ledger.broken, ...alone, ...result.broken] };
  } finally {
    await opened.disposeAsync();
  }
}

/** On a slow machine a last answer may come too late: a key manager says so as it stops. */
async function aloneUntold({ halves }: KeyLedger, kms: KmPair): Promise<string[]> {
  let told = 0;
  for (const { state } of kms.kms) {
    const log = await readFile(`${state}.log`, "utf8");
    for (const [, keys] of log.matchAll(/no answer came .* keys=(\d+)/g)) told += Number(keys);
    for (const [, questions] of log.matchAll(/get no answer.* questions=(\d+)/g)) {
      told += Number(questions) * mostOfQuestion;
    }
  }
  return halves > told ? [`${halves} keys are with one application alone, and ${told} told`] : [];
}

async function compare(
  rig: Rig,
  kms: KmPair,
  told: Omit<KmKillResult, "bits" | "matched" | "broken">,
): Promise<KmKillResult> {
  let bits = 0;
  for (const { facts } of rig.pair.alice.module.history.values()) bits += facts.bits;
  const linksOf = async () => {
    const all = await Promise.all(kms.kms.map((km) => km.status()));
    return all.map(({ links: [link] }) => link as LinkStatus);
  };
  const broken: string[] = [];
  const atRest = ([alice, bob]: LinkStatus[]) =>
    alice?.matched_bits === bits &&
    bob?.matched_bits === bits &&
    alice.stock_bits === bob.peer_stock_bits &&
    alice.peer_stock_bits === bob.stock_bits &&
    alice.taken_bits === bob.taken_bits;
  await eventually("both books agree", linksOf, { deadlineMs, when: atRest }).catch(
    (error: Error) => broken.push(error.message),
  );
  const [link] = await linksOf();
  const matched = link?.matched_bits ?? 0;
  for (const km of kms.kms) {
    const { links, modules } = await km.status();
    for (const { differing_keys, expired_keys, waiting_keys } of links) {
      const bad = differing_keys + expired_keys + waiting_keys;
      if (bad > 0) broken.push(`at ${km.end} keys differed, expired or wait: ${bad}`);
    }
    if (modules.some(({ conflicts }) => conflicts > 0)) broken.push(`at ${km.end} IDs conflict`);
  }
  return { ...told, bits, matched, broken };
}
