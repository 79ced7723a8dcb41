/** A socket of a broker's, for mqtt.js: what {@link PacketSieve} leaves of what comes. */
import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import { PacketSieve, type Sieved, type Skipped } from "./packet-sieve.ts";

interface Chunk {
  readonly chunk: Buffer;
}

export class SievedStream extends Duplex {
  readonly socket: Socket;
  readonly #sieve: PacketSieve;
  readonly #onSkipped: (message: Skipped) => void;
  /** The broker does not read: what it sends is not read either, until it does. */
  #blocked = false;

  /**
   * @param limit longest packet, bytes
   * @param onSkipped a message was longer, and was left out; must not throw
   */
  constructor(socket: Socket, limit: number, onSkipped: (message: Skipped) => void) {
    super({ allowHalfOpen: false });
    this.socket = socket;
    this.#sieve = new PacketSieve(limit);
    this.#onSkipped = onSkipped;
    socket.on("data", (chunk: Buffer) => this.#take(chunk));
    socket.on("end", () => this.push(null));
    socket.on("error", (error) => this.destroy(error));
    socket.on("close", () => {
      // After an orderly end, what came before it is still read.
      if (!socket.readableEnded) this.destroy();
    });
    socket.pause();
  }

  override _read(): void {
    if (!this.#blocked) this.socket.resume();
  }

  override _write(chunk: Buffer, _: BufferEncoding, done: () => void): void {
    // How a socket fails is told by its own events: `done` tells no error.
    this.socket.write(chunk, () => done());
  }

  /** What mqtt.js writes in one go leaves in one packet. */
  override _writev(chunks: Chunk[], done: () => void): void {
    this._write(Buffer.concat(chunks.map(({ chunk }) => chunk)), "utf8", done);
  }

  override _final(done: () => void): void {
    if (this.socket.writable) this.socket.end(() => done());
    else done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.socket.destroy();
    done(error);
  }

  #take(chunk: Buffer): void {
    let sieved: Sieved;
    try {
      sieved = this.#sieve.take(chunk);
    } catch (error) {
      this.destroy(error as Error);
      return;
    }
    for (const part of sieved.kept) if (!this.push(part)) this.socket.pause();
    for (const message of sieved.skipped) {
      this.#onSkipped(message);
      if (message.messageId !== undefined) this.#acknowledge(message.messageId);
    }
  }

  /** By way of this stream: mqtt.js may have written half a packet that still waits here. */
  #acknowledge(messageId: number): void {
    if (!this.writable) return;
    const puback = Buffer.from([0x40, 2, messageId >> 8, messageId & 0xff]);
    if (this.write(puback) || this.#blocked) return;
    this.#blocked = true;
    this.socket.pause();
    this.once("drain", () => {
      this.#blocked = false;
      this.socket.resume();
    });
  }
}
