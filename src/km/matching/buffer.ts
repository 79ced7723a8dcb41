/** QKD-keys of one link that wait for their match, in the order in which they came. Pure. */
import { type Origin, type Run, sameOrigin } from "../keys/origin.ts";
import type { Buffered, Handle } from "../store/port.ts";

export interface Waiting {
  readonly handle: Handle;
  /** QKD-key ID: its 16 bytes, one a character. */
  readonly id: string;
  readonly length: number;
  /** Keys that came alike share one. */
  readonly origin: Origin;
  /** Index of its pair of modules. */
  readonly pair: number;
  /** When it came here, or the process began; monotonic, ms. */
  readonly since: number;
  /** Number of the batch that has it; 0: none. */
  batch: number;
  /** How often the other end lacked it, and when it may be proposed again. */
  lacked: number;
  notBefore: number;
}

/** 16 bytes as a short string: a name in maps. */
export function nameOf(id: Uint8Array): string {
  return Buffer.from(id.buffer, id.byteOffset, id.length).toString("latin1");
}

/** IDs, 16 bytes each, of a list. */
export function idsOf(keys: readonly Waiting[]): Buffer {
  const ids = Buffer.allocUnsafe(16 * keys.length);
  for (let i = 0; i < keys.length; i++) ids.write((keys[i] as Waiting).id, 16 * i, 16, "latin1");
  return ids;
}

export function* namesIn(ids: Buffer): Generator<string> {
  for (let at = 0; at + 16 <= ids.length; at += 16) yield ids.toString("latin1", at, at + 16);
}

/** Where the keys of a list came from, in its order. */
export function runsOf(keys: readonly Waiting[]): Run[] {
  const runs: { count: number; readonly origin: Origin }[] = [];
  for (const { origin } of keys) {
    const last = runs.at(-1);
    if (last !== undefined && sameOrigin(last.origin, origin)) last.count++;
    else runs.push({ count: 1, origin });
  }
  return runs;
}

export class LinkBuffer {
  #lastOrigin: Origin | undefined;
  readonly #keys = new Map<string, Waiting>();
  readonly #left: (keys: readonly Waiting[]) => void;
  #bytes = 0;

  /** @param left is told which keys have left it: matched, expired or void */
  constructor(left: (keys: readonly Waiting[]) => void) {
    this.#left = left;
  }

  get keys(): number {
    return this.#keys.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** When the oldest of its keys came; undefined if there is none. */
  get oldest(): number | undefined {
    for (const { since } of this.#keys.values()) return since;
    return undefined;
  }

  add(buffered: Buffered, pair: number, now: number): Waiting {
    const { handle, id, length } = buffered;
    const key: Waiting = {
      handle,
      id: nameOf(id),
      length,
      origin: this.#originOf(buffered),
      pair,
      since: now,
      batch: 0,
      lacked: 0,
      notBefore: 0,
    };
    this.#keys.set(key.id, key);
    this.#bytes += length;
    return key;
  }

  #originOf({ module, bits, at, generatedAt, qber }: Buffered): Origin {
    const last = this.#lastOrigin;
    const origin = {
      module,
      bits,
      at,
      ...(generatedAt !== undefined && { generatedAt }),
      ...(qber !== undefined && { qber }),
    };
    if (last !== undefined && sameOrigin(last, origin)) return last;
    this.#lastOrigin = origin;
    return origin;
  }

  get(id: string): Waiting | undefined {
    return this.#keys.get(id);
  }

  /** Whether it is still here, and not another under its ID. */
  has(key: Waiting): boolean {
    return this.#keys.get(key.id) === key;
  }

  remove(keys: readonly Waiting[]): void {
    const gone = keys.filter((key) => this.take(key));
    if (gone.length > 0) this.#left(gone);
  }

  /** Takes a key out without telling of it. */
  take(key: Waiting): boolean {
    if (!this.has(key)) return false;
    this.#keys.delete(key.id);
    this.#bytes -= key.length;
    return true;
  }

  /** Keys that came before `time` and are in no batch, at most `limit`. */
  olderThan(time: number, limit: number): Waiting[] {
    const old: Waiting[] = [];
    for (const key of this.#keys.values()) {
      if (key.since >= time || old.length === limit) break;
      if (key.batch === 0) old.push(key);
    }
    return old;
  }

  all(): Iterable<Waiting> {
    return this.#keys.values();
  }
}
