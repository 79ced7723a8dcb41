/**
 * Hostile applications at the doors of two real key managers: registered ones that are after the keys of others, and
 * strangers. Meanwhile two others share keys. None gets a key of another, none is lost, and nothing grows.
 */
import { readFileSync } from "node:fs";
import type { ConnectionOptions } from "node:tls";
import { systemClock } from "../../src/base/clock.ts";
import { type Answer, Connection } from "../conformance/kme/http.ts";
import { requestOf } from "../conformance/kme/kit.ts";
import type { Credentials, Door } from "../conformance/kme/target.ts";
import { Broken } from "../conformance/run.ts";
import { seedSource } from "../emulator/source/seed.ts";
import { patience } from "../patience.ts";
import { type Random, random, streamSeed } from "../random.ts";
import { ApplicationClient, type HeldKey, heldKeys } from "../rig/application.ts";
import type { KmOfPair, KmPair, PairApplication } from "../rig/km-pair.ts";
import { Rig } from "../rig/rig.ts";
import { drawRequest, type Known } from "./etsi014-draw.ts";

export interface HostileApplicationsResult {
  readonly sent: number;
  /** Hostile requests that were answered 200, and keys of their own that were in the answers. */
  readonly served: number;
  readonly keys: number;
  /** Keys of others in answers. Must be 0. */
  readonly others: number;
  /** Answers of 500 or more but 503. Must be 0. */
  readonly failures: number;
  /** Honest keys that were the same at both ends, those that were lost or differ, and honest requests that failed. */
  readonly honest: number;
  readonly lost: number;
  readonly failed: number;
  /** Resident memory of either key manager's own at its end, beside a third into the run, MB. */
  readonly growth_mb: number;
  /** Lines of both logs. */
  readonly lines: number;
}

/** As under the unit's MemoryMax of 384 MB, of which V8 takes half for its heap. */
const environment = {
  NODE_OPTIONS: "--max-old-space-size=192 --max-semi-space-size=4",
  MALLOC_ARENA_MAX: "1",
};
/** Keys that the hostile know the IDs of, and that are fetched only at the end. */
const kept = 40;
/** Handshakes of the hostile at a time: they are not to keep the honest out before they have said a word. */
const handshakes = 32;
/** Between two honest keys, ms. */
const pauseMs = 50;

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

function ownMb(pid: number | undefined): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/^RssAnon:\s+(\d+)/m.exec(status)?.[1]) / 1_000;
}

interface Hostile {
  readonly door: Door;
  readonly shown: Credentials;
}

/** What all of them have done together. */
interface Tally {
  left: number;
  sent: number;
  served: number;
  keys: number;
  others: number;
  failures: number;
}

function doorOf({ url, end, node }: KmOfPair): Door {
  const { hostname: host, port } = new URL(url);
  const ca = readFileSync(node.ca, "utf8");
  return { host, port: Number(port), serverName: `km-${end}`, prefix: "", ca };
}

function shownBy({ cert, key }: PairApplication): Credentials {
  return { cert: readFileSync(cert, "utf8"), key: readFileSync(key, "utf8") };
}

/** What came of one answer. */
function take({ status, body }: Answer, tally: Tally, secret: ReadonlySet<string>): void {
  if (status >= 500 && status !== 503) tally.failures++;
  if (status !== 200) return;
  tally.served++;
  const parsed = JSON.parse(String(body)) as object;
  for (const { id, digest } of heldKeys({ status, headers: {}, body: parsed })) {
    tally.keys++;
    if (secret.has(id) || secret.has(digest)) tally.others++;
  }
}

/** Lets so many in at a time. */
class Gate {
  #left: number;
  readonly #waiting: (() => void)[] = [];

  constructor(places: number) {
    this.#left = places;
  }

  async through<T>(act: () => Promise<T>): Promise<T> {
    if (this.#left > 0) this.#left--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await act();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#left++;
      else next();
    }
  }
}

/** One connection after another, one request at a time on each, until all are sent. @param open makes one */
async function attack(
  { door }: Hostile,
  open: () => Promise<Connection>,
  known: Known,
  asked: readonly string[],
  secret: ReadonlySet<string>,
  tally: Tally,
  next: Random,
): Promise<void> {
  let one: Connection | undefined;
  while (tally.left > 0) {
    try {
      if (one?.isOpen !== true) {
        one?.close();
        one = await open();
      }
      if (tally.left <= 0) break;
      tally.left--;
      const request = drawRequest(next, known, asked);
      const { method, path, headers, body } = request;
      const bytes = requestOf(door, path, { method, headers, ...(body && { body }) });
      tally.sent++;
      if (next() < 0.02) {
        one.send(bytes.subarray(0, Math.floor(next() * bytes.length)));
        one.close();
        continue;
      }
      one.send(bytes);
      const answer = await one.next();
      if (typeof answer === "object") take(answer, tally, secret);
      else one.close();
      // What asks for the connection's end does not wait for it.
      if (typeof answer === "object" && answer.headers.connection === "close") one.close();
    } catch (error) {
      if (!(error instanceof Broken)) throw error;
      one = undefined;
      await pause(100);
    }
  }
  one?.close();
}

interface World {
  readonly kms: KmPair;
  readonly hostile: readonly Hostile[];
  readonly master: ApplicationClient;
  readonly slave: ApplicationClient;
}

async function open(rig: Rig): Promise<World> {
  const kms = rig.kms as KmPair;
  for (const { process } of kms.kms) {
    process.environment = environment;
    await process.stop();
  }
  await kms.start(patience(60_000));
  const [honestA, hostileA] = kms.alice.applications as [PairApplication, PairApplication];
  const [honestB, hostileB] = kms.bob.applications as [PairApplication, PairApplication];
  const stranger = await kms.authority.issue({
    commonName: "stranger",
    dns: ["stranger"],
    usage: "client",
  });
  const [a, b] = [doorOf(kms.alice), doorOf(kms.bob)];
  const hostile = [
    { door: a, shown: shownBy(hostileA) },
    { door: b, shown: shownBy(hostileB) },
    { door: a, shown: stranger },
    { door: b, shown: stranger },
    // Applications of the other key manager.
    { door: a, shown: shownBy(hostileB) },
  ];
  const master = new ApplicationClient(kms.alice, honestA, 1);
  const slave = new ApplicationClient(kms.bob, honestB, 1);
  const stock = async () => {
    const { body } = await master.status(slave.sae);
    return (body as { stored_key_count?: number } | undefined)?.stored_key_count ?? 0;
  };
  await rig.until("keys are in stock", stock, { atLeast: 5_000, deadlineMs: 120_000 });
  return { kms, hostile, master, slave };
}

/**
 * @param requests hostile ones
 * @param connections of each of the hostile; each is served some requests a second once it is known for what it is
 */
export async function hostileApplications(
  requests: number,
  seed: number,
  connections = 32,
): Promise<HostileApplicationsResult> {
  // The hostile are given keys of their own as well, for a hundredth of their requests.
  const blocks = 60 + Math.ceil(requests / 5_000);
  const source = seedSource({ seed, blockBits: 65_536, blocks, clock: systemClock });
  const rig = await Rig.start({ source, baud: 0, keyBits: 65_536, realKms: true });
  try {
    return await run(await open(rig), requests, seed, connections);
  } finally {
    await rig.close();
  }
}

async function run(
  { kms, hostile, master, slave }: World,
  requests: number,
  seed: number,
  connections: number,
): Promise<HostileApplicationsResult> {
  const coveted = heldKeys(await master.encKeys(slave.sae, kept));
  const known: Known = {
    saes: kms.kms.flatMap(({ applications }) => applications.map(({ saeId }) => saeId)),
    ids: coveted.map(({ id }) => id),
  };
  const secret = new Set(coveted.flatMap(({ id, digest }) => [id, digest]));
  const asked = Array.from({ length: 8 }, (_, i) => `honest-${i}`);
  const tally: Tally = { left: requests, sent: 0, served: 0, keys: 0, others: 0, failures: 0 };
  const gate = new Gate(handshakes);
  const attacks = hostile.flatMap((one, who) =>
    Array.from({ length: connections }, (_, i) => {
      // From addresses of their own: so the honest are of another one.
      const from = { localAddress: `127.${who + 1}.${i >> 5}.1` } as ConnectionOptions;
      const open = () => gate.through(() => Connection.open(one.door, one.shown, 30_000, from));
      const drawn = random(streamSeed(seed, `hostile ${who} ${i}`));
      return attack(one, open, known, asked, secret, tally, drawn);
    }),
  );
  let isOver = false;
  const all = Promise.all(attacks).finally(() => {
    isOver = true;
  });
  const memory = () => kms.kms.map(({ process }) => ownMb(process.pid));
  let before: number[] | undefined;
  let [honest, lost, failed] = [0, 0, 0];
  for (let i = 0; !isOver; i++) {
    const headers = { "idempotency-key": asked[i % asked.length] as string };
    const path = `/api/v1/keys/${slave.sae}/enc_keys`;
    // Under a name that the hostile use too, as long as its answer is kept.
    const isNamed = i < asked.length;
    const enc = await master.ask(path, { number: 1 }, isNamed ? { headers } : {});
    const given = heldKeys(enc);
    for (const { id, digest } of given) secret.add(id).add(digest);
    const dec = await slave.decKeys(
      master.sae,
      given.map(({ id }) => id),
    );
    if (enc.status !== 200 || dec.status !== 200) failed++;
    else if (isSame(heldKeys(dec), given)) honest++;
    else lost++;
    if (before === undefined && tally.sent > requests / 3) before = memory();
    await pause(pauseMs);
  }
  await all;
  const after = memory();
  // What they were after is all there.
  const fetched = heldKeys(await slave.decKeys(master.sae, known.ids));
  if (!isSame(fetched, coveted)) lost += kept;
  master.close();
  slave.close();
  const { sent, served, keys, others, failures } = tally;
  const growth = after.map((mb, i) => mb - (before?.[i] ?? mb));
  return {
    ...{ sent, served, keys, others, failures, honest, lost, failed },
    growth_mb: Number(Math.max(...growth).toFixed(1)),
    lines: kms.kms.reduce((sum, { process }) => sum + process.lines.length, 0),
  };
}

function isSame(keys: readonly HeldKey[], others: readonly HeldKey[]): boolean {
  const text = (of: readonly HeldKey[]) => JSON.stringify(of.map(({ id, digest }) => [id, digest]));
  return text(keys) === text(others);
}
