/** What applications were given, and what must be so of it whatever was killed: kept by digests, without a key. */
import { ApplicationClient, type HeldKey, heldKeys } from "../rig/application.ts";
import type { KmOfPair } from "../rig/km-pair.ts";

/** The ledger of all applications of a run. */
export class KeyLedger {
  readonly broken: string[] = [];
  readonly #given = new Map<string, string>();
  readonly #fetched = new Map<string, string>();
  /** Digests of keys: no two keys have the same bytes. */
  readonly #digests = new Map<string, string>();
  readonly #refused = new Set<string>();

  /** Keys that both applications have. */
  get keys(): number {
    return this.#fetched.size;
  }

  /** Keys that the one that asked first has alone. */
  get halves(): number {
    return this.#given.size - this.#fetched.size;
  }

  given(keys: readonly HeldKey[]): void {
    for (const { id, digest } of keys) {
      if (this.#given.has(id)) this.broken.push(`the key ${id} was given twice`);
      const other = this.#digests.get(digest);
      if (other !== undefined) this.broken.push(`the keys ${id} and ${other} have the same bytes`);
      this.#given.set(id, digest);
      this.#digests.set(digest, id);
    }
  }

  fetched(keys: readonly HeldKey[]): void {
    for (const { id, digest } of keys) {
      if (this.#fetched.has(id)) this.broken.push(`the key ${id} was fetched twice`);
      if (this.#refused.has(id)) this.broken.push(`the key ${id} was fetched after it was gone`);
      if (this.#given.get(id) !== digest) this.broken.push(`the key ${id} differs`);
      this.#fetched.set(id, digest);
    }
  }

  /** The KM of the slave has said that it has no such key. */
  gone(id: string): void {
    this.#refused.add(id);
  }
}

/** An application that asks for keys, and its partner that fetches them; both ask again blindly when they fail. */
export class Asker {
  readonly #master: ApplicationClient;
  readonly #slave: ApplicationClient;
  readonly #ledger: KeyLedger;
  readonly #random: () => number;
  /** Keys that the partner has not got yet. */
  readonly #waiting = new Set<string>();
  #isOver = false;
  #running: Promise<void>[] = [];

  constructor(at: KmOfPair, other: KmOfPair, ledger: KeyLedger, random: () => number) {
    const [first] = at.applications;
    const [second] = other.applications;
    if (first === undefined || second === undefined) throw new Error("no application");
    this.#master = new ApplicationClient(at, first);
    this.#slave = new ApplicationClient(other, second);
    this.#ledger = ledger;
    this.#random = random;
  }

  start(): void {
    this.#running = [this.#ask(), this.#fetch()];
  }

  async #ask(): Promise<void> {
    while (!this.#isOver) {
      await pause(this.#random() * 20);
      // Not more than are fetched while the other end is away.
      if (this.#waiting.size > 200) continue;
      const number = 1 + Math.floor(this.#random() * 4);
      const reply = await this.#master.encKeys(this.#slave.sae, number).catch(() => undefined);
      if (reply?.status !== 200) continue;
      const keys = heldKeys(reply);
      this.#ledger.given(keys);
      for (const { id } of keys) this.#waiting.add(id);
    }
  }

  async #fetch(): Promise<void> {
    while (!this.#isOver) {
      await pause(this.#random() * 20);
      await this.#fetchSome();
    }
  }

  /** @returns whether nothing is left to be fetched */
  async #fetchSome(): Promise<boolean> {
    const ids = [...this.#waiting].slice(0, 1 + Math.floor(this.#random() * 3));
    if (ids.length === 0) return true;
    const reply = await this.#slave.decKeys(this.#master.sae, ids).catch(() => undefined);
    if (reply?.status === 200) {
      this.#ledger.fetched(heldKeys(reply));
      for (const id of ids) this.#waiting.delete(id);
    } else if (reply?.status === 400 && ids.length === 1) {
      // An answer that was lost, or a restart in between: it is gone, and stays so.
      const [id] = ids as [string];
      this.#ledger.gone(id);
      this.#waiting.delete(id);
    } else if (reply?.status === 400) {
      // One of them is gone: which, is found one by one.
      for (const id of ids) {
        const one = await this.#slave.decKeys(this.#master.sae, [id]).catch(() => undefined);
        if (one?.status === 200) this.#ledger.fetched(heldKeys(one));
        else if (one?.status === 400) this.#ledger.gone(id);
        else continue;
        this.#waiting.delete(id);
      }
    }
    return this.#waiting.size === 0;
  }

  /** Asks no more; what can be fetched is. */
  async settle(deadlineMs: number): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#running);
    const until = performance.now() + deadlineMs;
    while (!(await this.#fetchSome())) {
      if (performance.now() > until) {
        this.#ledger.broken.push(`${this.#waiting.size} keys can be neither had nor are gone`);
        return;
      }
      await pause(10);
    }
  }

  close(): void {
    this.#isOver = true;
    this.#master.close();
    this.#slave.close();
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
