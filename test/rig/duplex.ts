/** Two ends of a line in memory, as sockets: what one writes the other reads, if it reads. */
import type { Socket } from "node:net";
import { Duplex } from "node:stream";

class End extends Duplex {
  other!: End;
  #taken: (() => void) | undefined;

  constructor() {
    super({ allowHalfOpen: false });
  }

  override _read(): void {
    const taken = this.#taken;
    this.#taken = undefined;
    taken?.();
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    // A copy, as a real line makes one: the writer wipes its own.
    if (this.other.destroyed || this.other.push(Buffer.from(chunk))) setImmediate(done);
    else this.other.#taken = done;
  }

  override _final(done: () => void): void {
    if (!this.other.destroyed) this.other.push(null);
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    if (!this.other.destroyed) setImmediate(() => this.other.destroy());
    done(error);
  }
}

/** @returns the node's end and the KM's */
export function createLine(): { readonly node: Socket; readonly km: Duplex } {
  const node = new End();
  const km = new End();
  node.other = km;
  km.other = node;
  return { node: node as unknown as Socket, km };
}
