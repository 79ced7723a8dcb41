/** Lives of a key manager's store on a disk that fails, and what must be so after each. */

import { createHash } from "node:crypto";
import { ms } from "../../src/base/duration.ts";
import { opensStore } from "../../src/km/io/engine/keyring.ts";
import { type Opened, openEngine } from "../../src/km/io/engine/open.ts";
import type { Buffered } from "../../src/km/store/buffered.ts";
import type { Change, Handle } from "../../src/km/store/port.ts";
import { ManualClock } from "../clock.ts";
import { steal } from "../rig/store-thief.ts";
import { allIn, putKeys } from "../rig/stored-keys.ts";
import type { Disk } from "./disk.ts";
import { MemoryLedger } from "./memory-ledger.ts";

interface Key {
  readonly id: Buffer;
  readonly bytes: Buffer;
  /** Undefined until its storage was acknowledged. */
  handle: Handle | undefined;
  state: "coming" | "stored" | "leaving" | "left";
}

interface Extent {
  readonly keys: readonly Key[];
  readonly bytes: Buffer;
  state: "coming" | "stored" | "leaving" | "gone";
  /** Bytes of its beginning that are not needed any more. */
  forgotten: number;
  /** The disk did not give all of it for a while, and the store told that it gave that up. */
  isLost?: boolean;
}

const folder = "/store";

/** A master key that the store no longer has, with the file `store` of its time as a thief would have kept it. */
interface OldKey {
  readonly masterKey: Buffer;
  readonly ring: Buffer;
}

export class EngineStory {
  readonly broken: string[] = [];
  readonly clock = new ManualClock();
  readonly #draw: () => number;
  readonly #keys = new Map<string, Key>();
  readonly #extents = new Map<number, Extent>();
  #ledger: MemoryLedger | undefined;
  #masterKey = Buffer.alloc(32, 7);
  /** The store was told to have it, and did not answer. */
  #nextKey: Buffer | undefined;
  readonly #oldKeys: OldKey[] = [];
  #ring = Buffer.alloc(0);
  /** Times that all was sealed anew for another master key. */
  rekeyed = 0;
  #drawn = 0;
  #nextExtent = 1;
  /** Keys that the store refused because it was full. */
  refused = 0;

  constructor(draw: () => number) {
    this.#draw = draw;
  }

  #bytes(length: number): Buffer {
    return createHash("shake256", { outputLength: length })
      .update(`${++this.#drawn}`)
      .digest();
  }

  /** The process that runs. */
  #living: Opened | undefined;

  /** One process: opens, checks, acts, closes. @returns false if it failed on its way */
  async live(disk: Disk, steps: number): Promise<boolean> {
    this.#ledger ??= new MemoryLedger(disk, this.#draw);
    this.#ledger.disk = disk;
    const failed = Promise.withResolvers<never>();
    failed.promise.catch(() => {});
    let opened: Opened | undefined;
    try {
      const hasNext = await this.#opensNext(disk);
      opened = await openEngine({
        folder,
        masterKey: Buffer.from((hasNext && this.#nextKey) || this.#masterKey),
        limitBytes: 1e9,
        wipeAfter: ms(10_000),
        cycleMs: 0,
        clock: this.clock,
        random: (length) => this.#bytes(length),
        files: disk,
        ledger: () => this.#ledger as MemoryLedger,
        reserveBytes: 2_048,
        onFailure: (fault) => failed.reject(fault),
        onRekeyed: () => this.rekeyed++,
        onLost: ({ number }) => {
          if (disk.troubles === 0) this.broken.push(`extent ${number} is told as lost`);
          Object.assign(this.#extents.get(number) ?? {}, { isLost: true });
        },
      });
      const one = opened;
      this.#living = one;
      if (hasNext) this.#hasNextKey();
      this.#nextKey = undefined;
      await Promise.race([failed.promise, this.#check(one)]);
      for (let i = 0; i < steps; i++) await Promise.race([failed.promise, this.#step(one, disk)]);
      await Promise.race([failed.promise, this.#end(one, disk)]);
      await one.store.close();
      return true;
    } catch (error) {
      this.#living = undefined;
      await opened?.store.close().catch(() => {});
      if (disk.troubles === 0) this.broken.push(`without trouble: ${(error as Error).stack}`);
      return false;
    }
  }

  /** After a rekeying that was not answered one of both opens the store. */
  async #opensNext(disk: Disk): Promise<boolean> {
    return this.#nextKey !== undefined && (await opensStore(disk, folder, this.#nextKey)) === true;
  }

  #hasNextKey(): void {
    this.#oldKeys.push({ masterKey: this.#masterKey, ring: this.#ring });
    this.#masterKey = this.#nextKey as Buffer<ArrayBuffer>;
    this.#nextKey = undefined;
  }

  /** Keys come in and become stock meanwhile. */
  async #rekey(opened: Opened, disk: Disk): Promise<void> {
    const { store } = opened;
    if (store.resealingBytes !== undefined) return;
    this.#ring = disk.read(`${folder}/store`) as Buffer<ArrayBuffer>;
    this.#nextKey = this.#bytes(32);
    const rekeyed = store.rekey(this.#nextKey);
    // Of a process that power failed under nothing is heard any more: the next one finds out.
    const settled = rekeyed.then(() => this.#living === opened && this.#hasNextKey());
    await Promise.all([this.#commit(opened), this.#put(opened), settled]);
  }

  /** What was found is what was acknowledged; what was not, may be there as a whole. */
  async #check({ store, loaded, damage }: Opened): Promise<void> {
    if (damage.segments.length + damage.gone.length + damage.extents.length + damage.keys > 0)
      this.broken.push(`damage is told: ${damage.segments} ${JSON.stringify(damage.extents)}`);
    const byId = new Map<string, Buffered>();
    const buffered = allIn(loaded.buffered);
    for (const key of buffered) byId.set(Buffer.from(key.id).toString("hex"), key);
    if (byId.size !== buffered.length) this.broken.push("a key is there twice");
    const rows = new Set(loaded.rows.map(({ key }) => Number(key)));
    const extents = new Set(loaded.extents.map(({ number }) => number));
    for (const [number, extent] of this.#extents) {
      const isThere = extents.has(number);
      if (isThere !== rows.has(number)) this.broken.push(`row and extent ${number} differ`);
      if (extent.state === "stored" && !isThere) this.broken.push(`extent ${number} is lost`);
      if (extent.state === "gone" && isThere) this.broken.push(`extent ${number} is back`);
      if (extent.state === "coming" || extent.state === "leaving") {
        const state = isThere ? "stored" : extent.state === "coming" ? undefined : "gone";
        for (const key of extent.keys)
          if (key.state === "leaving") key.state = isThere ? "left" : "stored";
        if (state === undefined) this.#extents.delete(number);
        else extent.state = state;
      }
      if (extent.state === "stored" && isThere) await this.#readExtent(store, number, extent);
    }
    for (const [name, key] of this.#keys) {
      const found = byId.get(name);
      byId.delete(name);
      if (key.state === "stored" && found?.handle !== key.handle) this.broken.push("a key is lost");
      if (key.state === "left" && found !== undefined) this.broken.push("a used key is back");
      if (key.state === "leaving") key.state = found === undefined ? "left" : "stored";
      if (key.state === "coming") {
        if (found === undefined) this.#keys.delete(name);
        else Object.assign(key, { state: "stored", handle: found.handle });
      }
      if (found === undefined) continue;
      const { handle } = found;
      const equal = await new Promise((done) => store.equals(handle, key.bytes, done));
      if (!equal) this.broken.push("a key has other bytes");
    }
    if (byId.size > 0) this.broken.push("a key is there that never came");
    for (const [number, { state, forgotten }] of this.#extents) {
      if (state === "stored" && forgotten > 0) {
        store.forget("ab", [{ extent: number, start: 0, end: forgotten }]);
      }
    }
  }

  async #readExtent(store: Opened["store"], number: number, extent: Extent): Promise<void> {
    const whole = [{ extent: number, start: 0, end: extent.bytes.length }];
    const disk = this.#ledger?.disk;
    let found: Buffer | undefined;
    let troubles: number | undefined;
    // What the disk does not give is damaged to who asks, and is there when the disk gives it again.
    do {
      troubles = disk?.troubles;
      found = await new Promise<Buffer | undefined>((done) => store.read("ab", whole, done));
    } while (found === undefined && disk?.troubles !== troubles);
    const { bytes, forgotten, isLost } = extent;
    if (found === undefined && isLost) return;
    if (!found?.subarray(forgotten).equals(bytes.subarray(forgotten))) {
      this.broken.push(`extent ${number} has other bytes`);
    }
  }

  async #step(opened: Opened, disk: Disk): Promise<void> {
    const at = this.#draw();
    if (at < 0.4) return this.#put(opened);
    if (at < 0.65) return this.#commit(opened);
    if (at < 0.75) return this.#drop(opened);
    if (at < 0.85) return this.#forget(opened);
    if (at < 0.9) return this.#gone(opened);
    if (at < 0.94) return this.#rekey(opened, disk);
    await this.clock.advance(5_000);
    // Or what is sealed anew goes on beside what follows.
    if (this.#draw() < 0.5) await opened.store.quiet();
  }

  async #put({ store }: Opened): Promise<void> {
    if (store.full() !== undefined) await this.clock.advance(60_000);
    const several = Array.from({ length: 1 + Math.floor(this.#draw() * 2) }, () => {
      const keys = Array.from({ length: 1 + Math.floor(this.#draw() * 4) }, (): Key => {
        const length = this.#draw() < 0.1 ? 20_000 : 16 + Math.floor(this.#draw() * 200);
        return {
          id: this.#bytes(16),
          bytes: this.#bytes(length),
          handle: undefined,
          state: "coming",
        };
      });
      for (const key of keys) this.#keys.set(key.id.toString("hex"), key);
      return new Promise<void>((done) => {
        const came = keys.map(({ id, bytes }) => ({ id, bits: bytes.length * 8, bytes }));
        putKeys(store, "m", came, (stored) => {
          if (stored.length === 0) this.refused += keys.length;
          for (const [i, key] of keys.entries()) {
            const handle = stored[i]?.handle;
            if (handle === undefined) this.#keys.delete(key.id.toString("hex"));
            else Object.assign(key, { handle, state: "stored" });
          }
          done();
        });
      });
    });
    await Promise.all(several);
  }

  #some(state: Key["state"], most: number): Key[] {
    const keys = [...this.#keys.values()].filter((key) => key.state === state);
    return keys.filter(() => this.#draw() < 0.5).slice(0, most);
  }

  #durable({ store }: Opened, change: Change): Promise<void> {
    return new Promise((done) => store.commit(change, done));
  }

  async #commit(opened: Opened): Promise<void> {
    const keys = this.#some("stored", 8);
    if (keys.length === 0) return;
    const number = this.#nextExtent++;
    const bytes = Buffer.concat(keys.map((key) => key.bytes));
    const extent: Extent = { keys, bytes, state: "coming", forgotten: 0 };
    for (const key of keys) key.state = "leaving";
    this.#extents.set(number, extent);
    const handles = keys.map(({ handle }) => handle as Handle);
    await this.#durable(opened, {
      extents: [{ link: "ab", number, length: bytes.length, handles }],
      rows: [{ kind: "extent", link: "ab", key: `${number}`, value: Buffer.from("{}") }],
    });
    extent.state = "stored";
    for (const key of keys) key.state = "left";
    await this.#readExtent(opened.store, number, extent);
  }

  async #drop(opened: Opened): Promise<void> {
    const keys = this.#some("stored", 2);
    for (const key of keys) key.state = "leaving";
    await this.#durable(opened, { dropped: keys.map(({ handle }) => handle as Handle) });
    for (const key of keys) key.state = "left";
  }

  #one(): [number, Extent] | undefined {
    const all = [...this.#extents].filter(([, { state }]) => state === "stored");
    return all[Math.floor(this.#draw() * all.length)];
  }

  async #forget({ store }: Opened): Promise<void> {
    const [number, extent] = this.#one() ?? [];
    if (number === undefined || extent === undefined) return;
    const end = Math.floor(this.#draw() * extent.bytes.length);
    if (end <= extent.forgotten) return;
    store.forget("ab", [{ extent: number, start: extent.forgotten, end }]);
    extent.forgotten = end;
  }

  async #gone(opened: Opened): Promise<void> {
    const [number, extent] = this.#one() ?? [];
    if (number === undefined || extent === undefined) return;
    extent.state = "leaving";
    await this.#durable(opened, {
      gone: [{ link: "ab", number }],
      rows: [{ kind: "extent", link: "ab", key: `${number}`, value: undefined }],
    });
    extent.state = "gone";
  }

  /** What was used is in no file, with the master key in hand; what was not, is where it should be. */
  async #end({ store }: Opened, disk: Disk): Promise<void> {
    // What the disk does not give is made unreadable when it gives it again.
    let troubles: number;
    do {
      troubles = disk.troubles;
      await store.shred();
    } while (disk.troubles !== troubles);
    const loot = (files: Map<string, Buffer>, masterKey: Buffer) =>
      Buffer.concat(steal(files, masterKey, { link: "ab", extents: this.#nextExtent }));
    const all = loot(disk.files(folder), this.#masterKey);
    for (const { bytes, state, forgotten } of this.#extents.values()) {
      const used = bytes.subarray(0, state === "gone" ? bytes.length : forgotten);
      for (let at = 0; at + 16 <= used.length; at += 1_600) {
        if (all.includes(used.subarray(at, at + 16))) this.broken.push("used key can be decrypted");
      }
    }
    const inExtents = new Set([...this.#extents.values()].flatMap(({ keys }) => keys));
    for (const key of this.#keys.values()) {
      if (key.state !== "left" || inExtents.has(key)) continue;
      if (all.includes(key.bytes)) this.broken.push("a dropped key can be decrypted");
    }
    // Some lives end in the middle of it: the next goes on.
    for (let i = 0; i < 40 && store.resealingBytes !== undefined && this.#draw() < 0.95; i++) {
      await this.clock.advance(1_000);
      await store.quiet();
      if (this.#living?.store !== store) return;
    }
    for (const { masterKey, ring } of this.#oldKeys) {
      const files = disk.files(folder);
      if (loot(files, masterKey).length > 0) this.broken.push("an old master key opens something");
      if (store.resealingBytes !== undefined) continue;
      files.set(`${folder}/store`, ring);
      if (loot(files, masterKey).length > 0) this.broken.push("an old key of the store is in use");
    }
  }
}
