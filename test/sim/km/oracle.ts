/**
 * What must never be, told by what left the key managers: S1 to S4 and L of the key manager's README. It sees
 * bytes with their origins, and knows nothing of the books.
 */

/** One key that was handed to an application. */
export interface Handed {
  readonly km: "a" | "b";
  readonly role: "master" | "slave";
  /** Place of a slave in its set, of so many; 0 and 1 for a pair. */
  readonly slave: number;
  readonly slaves: number;
  readonly use: string;
  readonly id: string;
  readonly bytes: Buffer;
  /** Where each byte came from: number of the QKD-key times 64, and the place in it. */
  readonly origins: Float64Array;
}

export class KmOracle {
  readonly broken: string[] = [];
  /** By origin: the key that has the byte. */
  readonly #uses = new Map<number, string>();
  readonly #keys = new Map<string, { use: string; bytes: Buffer; at: Set<string> }>();
  readonly #texts = new Map<string, string>();
  readonly #restored: ReadonlySet<string>;
  readonly #differs: (key: number) => boolean;
  slaves = 0;
  masters = 0;
  slaveBytes = 0;

  /** @param restored KMs whose disk was once put back; @param differs whether a QKD-key differs at the two ends */
  constructor(restored: ReadonlySet<string>, differs: (key: number) => boolean) {
    this.#restored = restored;
    this.#differs = differs;
  }

  /** A text under a key of a one-time MAC: by the end that computes it, and the key. */
  tagged(km: string, key: Buffer, text: Buffer): void {
    const place = `${km} ${key.toString("hex")}`;
    const before = this.#texts.get(place);
    if (before !== undefined) this.bad("S4", `two texts at ${km} under one key`);
    this.#texts.set(place, text.toString("hex"));
  }

  bad(rule: string, words: string): void {
    if (this.broken.length < 20) this.broken.push(`${rule}: ${words}`);
  }

  handed({ km, role, slave, slaves, use, id, bytes, origins }: Handed): void {
    if (role === "master") this.masters++;
    else this.slaves++;
    const who = `${km} ${role === "master" ? role : `slave ${slave}`}`;
    for (const origin of origins) {
      const before = this.#uses.get(origin);
      if (before === undefined) this.#uses.set(origin, id);
      else if (before !== id) {
        this.bad("S1", `a byte went to ${before} and to ${id}`);
        break;
      }
      if (this.#differs(Math.floor(origin / 64))) this.bad("S3", `${id} has bytes that differ`);
    }
    const known = this.#keys.get(id);
    if (known === undefined) {
      this.#keys.set(id, { use, bytes: Buffer.from(bytes), at: new Set([who]) });
      if (role === "slave" && slaves === 1) this.slaveBytes += bytes.length;
      return;
    }
    if (known.use !== use) this.bad("S1", `${id} went to ${known.use} and to ${use}`);
    if (!known.bytes.equals(bytes)) this.bad("S3", `${id} is not the same at both ends`);
    if (known.at.has(who)) this.bad("S2", `${id} was handed out twice at ${who}`);
    known.at.add(who);
    // Counted as taken when all slaves of its set have it.
    const had = [...known.at].filter((one) => one.includes("slave")).length;
    if (role === "slave" && had === slaves) this.slaveBytes += bytes.length;
  }

  /** The other end can't have a key that the master has, though no disk was put back. */
  voided(id: string): void {
    const masters = [...(this.#keys.get(id)?.at ?? [])].some((where) => where.endsWith("master"));
    if (masters) this.bad("L", `${id} has the master, and it is void at the other end`);
  }

  /** Whether this slave was handed the key. */
  hasSlave(km: string, id: string, slave: number): boolean {
    return this.#keys.get(id)?.at.has(`${km} slave ${slave}`) ?? false;
  }

  /** Keys that the slave has, and the master never got. With a witness there are none. */
  slaveOnly(): number {
    let count = 0;
    for (const { at } of this.#keys.values()) {
      if (![...at].some((where) => where.endsWith("master"))) count++;
    }
    return count;
  }

  get restored(): boolean {
    return this.#restored.size > 0;
  }
}
