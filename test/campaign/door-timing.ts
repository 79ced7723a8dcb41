/**
 * Whether a caller who is told nothing learns from the time of the answer whether a key ID exists: at two real key
 * managers, over TLS. Two questions are asked in each round, in an order that is drawn: if their answers take alike, either
 * is the slower one in half of the rounds, however busy the machine is (sign test; no distribution is assumed).
 */
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import type { ConnectionOptions } from "node:tls";
import { delay, systemClock } from "../../src/base/clock.ts";
import { Connection } from "../conformance/kme/http.ts";
import { requestOf } from "../conformance/kme/kit.ts";
import type { Credentials, Door } from "../conformance/kme/target.ts";
import { seedSource } from "../emulator/source/seed.ts";
import { type Random, random } from "../random.ts";
import { ApplicationClient, heldKeys } from "../rig/application.ts";
import type { KmPair, PairApplication } from "../rig/km-pair.ts";
import { Rig } from "../rig/rig.ts";

export interface Timing {
  readonly rounds: number;
  /** Rounds in which the first question took longer. */
  readonly slower: number;
  /** How far that is from half of them, in standard deviations. */
  readonly z: number;
  /** Medians of both, µs. */
  readonly first_us: number;
  readonly second_us: number;
  /**
   * Mean of the first less the second, µs, and how far it may be from what it is with 95 %: of the middle nine tenths of the
   * rounds (trimmed mean, winsorized variance), since a machine with other work to do is late by milliseconds now and then.
   */
  readonly difference_us: number;
  readonly within_us: number;
}

/** Of the rounds so many are left out at either end. */
const trimmed = 0.05;

function differenceOf(differences: readonly number[]): { mean: number; within: number } {
  const sorted = differences.toSorted((a, b) => a - b);
  const cut = Math.floor(trimmed * sorted.length);
  const middle = sorted.slice(cut, sorted.length - cut);
  const mean = middle.reduce((sum, one) => sum + one, 0) / middle.length;
  const [least = 0, most = 0] = [middle[0], middle.at(-1)];
  const drawn = sorted.map((one) => Math.min(most, Math.max(least, one)));
  const center = drawn.reduce((sum, one) => sum + one, 0) / drawn.length;
  const squares = drawn.reduce((sum, one) => sum + (one - center) ** 2, 0);
  const deviation = Math.sqrt(squares / Math.max(1, drawn.length - 1));
  const within = (1.96 * deviation) / ((1 - 2 * trimmed) * Math.sqrt(drawn.length));
  return { mean, within };
}

export interface DoorTimings {
  /** Who is no application of the key manager: asks for keys that exist, and for others. */
  readonly stranger: Timing;
  /** An application, with the name of another with which it may share nothing. */
  readonly registered: Timing;
  /** The same stranger, whose first question was delayed by as long as three answers take: it must be seen. */
  readonly planted: Timing;
  /** Answers that were not 401 without a body. */
  readonly told: number;
}

/** One question; resolves when it is answered. */
type Ask = () => Promise<void>;

/** Chance alone goes beyond this once in 1.7 million runs. */
export const mostZ = 5;

/** Requests that are refused are answered at once so often, of one address or one application; then they are held. */
const freeOfOne = 60;
/** And this often without end, ms. */
const refillMs = 110;
const ids = 16;

/** @param pair both questions of a round, anew for each: a connection lasts for some of them alone */
async function measure(
  rounds: number,
  draw: Random,
  pair: (round: number) => Promise<readonly [Ask, Ask]>,
): Promise<Timing> {
  const times: [number[], number[]] = [[], []];
  let slower = 0;
  for (let n = 0; n < rounds; n++) {
    const asks = await pair(n);
    const took = [0, 0];
    for (const which of draw() < 0.5 ? [0, 1] : [1, 0]) {
      const begun = performance.now();
      await asks[which]?.();
      took[which] = performance.now() - begun;
    }
    const [first = 0, second = 0] = took;
    times[0].push(first);
    times[1].push(second);
    // Two that look alike to the clock are drawn for.
    if (first > second || (first === second && draw() < 0.5)) slower++;
  }
  const [first_us = 0, second_us = 0] = times.map((of) => {
    return Math.round((of.toSorted((a, b) => a - b)[Math.floor(of.length / 2)] ?? 0) * 1_000);
  });
  const { mean, within } = differenceOf(times[0].map((one, n) => one - (times[1][n] as number)));
  const [difference_us = 0, within_us = 0] = [mean, within].map((of) => {
    return Number((of * 1_000).toFixed(2));
  });
  const z = Number(((2 * slower - rounds) / Math.sqrt(rounds)).toFixed(2));
  return { rounds, slower, z, first_us, second_us, difference_us, within_us };
}

/** @param rounds of the stranger; of the others fewer, since an application has one allowance wherever it comes from */
export async function doorTimings(rounds: number, seed: number): Promise<DoorTimings> {
  const source = seedSource({ seed, blockBits: 8_192, blocks: 20, clock: systemClock });
  const rig = await Rig.start({ source, baud: 0, keyBits: 256, realKms: true });
  try {
    return await new Timer(rig.kms as KmPair, random(seed)).run(rig, rounds);
  } finally {
    await rig.close();
  }
}

class Timer {
  readonly #kms: KmPair;
  readonly #door: Door;
  readonly #draw: Random;
  #existing: readonly string[] = [];
  readonly #missing = Array.from({ length: ids }, () => randomUUID());
  #told = 0;
  #addresses = 0;

  constructor(kms: KmPair, draw: Random) {
    this.#kms = kms;
    this.#draw = draw;
    const { url, node } = kms.bob;
    const { port } = new URL(url);
    const ca = readFileSync(node.ca, "utf8");
    this.#door = { host: "127.0.0.1", port: Number(port), serverName: "km-bob", prefix: "", ca };
  }

  async run(rig: Rig, rounds: number): Promise<DoorTimings> {
    const { alice, bob, authority } = this.#kms;
    const [a] = alice.applications as [PairApplication];
    const [b, b2] = bob.applications as [PairApplication, PairApplication];
    const master = new ApplicationClient(alice, a);
    const keys = () => master.encKeys(b.saeId, ids);
    const given = await rig.until("keys", keys, {
      ...{ when: ({ status }: { readonly status: number }) => status === 200, deadlineMs: 120_000 },
    });
    master.close();
    this.#existing = heldKeys(given).map(({ id }) => id);
    const request = { commonName: "stranger", dns: ["stranger"], usage: "client" } as const;
    const stranger = await authority.issue(request);
    const strangers = (of: number, before: (which: number) => void) =>
      this.#of(stranger, a.saeId, of, before);
    const nothing = () => {};
    const told = await strangers(rounds, nothing);
    const spin = (3 * told.second_us) / 1_000;
    const planted = await strangers(200, (which) => {
      const until = performance.now() + (which === 0 ? spin : 0);
      while (performance.now() < until) {}
    });
    // Those that are answered at once are enough for the test to be one: beyond them each takes a quarter of a second.
    const applicationRounds = Math.max(28, Math.round(rounds / 20));
    const shown = { cert: readFileSync(b2.cert, "utf8"), key: readFileSync(b2.key, "utf8") };
    // The other application of the same key manager: no two of one may share keys.
    const registered = await this.#of(shown, b.saeId, applicationRounds, nothing, refillMs);
    return { stranger: told, registered, planted, told: this.#told };
  }

  /** @param waitMs before a question, once the first are spent; undefined: from another address then */
  async #of(
    shown: Credentials,
    master: string,
    rounds: number,
    before: (which: number) => void,
    waitMs?: number,
  ): Promise<Timing> {
    let one: Connection | undefined;
    let left = 0;
    let free = freeOfOne;
    // Written before the time is taken: how JavaScript keeps a text that it drew and one that it read differs.
    const requests = [this.#existing, this.#missing].map((of) =>
      of.map((id) => {
        const path = `/api/v1/keys/${master}/dec_keys?key_ID=${id}`;
        return Buffer.from(requestOf(this.#door, path, {}));
      }),
    );
    const ask = (which: number, n: number) => {
      const bytes = requests[which]?.[n % ids] as Buffer;
      return () => send(which, bytes);
    };
    const send = async (which: number, bytes: Buffer) => {
      before(which);
      one?.send(bytes);
      const answer = await one?.answer("dec_keys");
      if (answer?.status !== 401 || answer.body.length > 0) this.#told++;
    };
    const pair = async (n: number) => {
      if (left < 2) {
        one?.close();
        const localAddress = `127.0.${1 + (this.#addresses >> 8)}.${this.#addresses++ & 0xff}`;
        const more = waitMs === undefined ? { localAddress } : {};
        one = await Connection.open(this.#door, shown, 30_000, more as ConnectionOptions);
        left = freeOfOne;
        // The first of a connection takes longer, whatever it asks.
        await ask(n % 2, n)();
        free--;
      }
      left -= 2;
      free -= 2;
      if (waitMs !== undefined && free < 2) await delay(systemClock, 2 * waitMs);
      return [ask(0, n), ask(1, n)] as const;
    };
    const timing = await measure(rounds, this.#draw, pair);
    one?.close();
    return timing;
  }
}
