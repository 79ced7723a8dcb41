/** A socket of a broker's, for mqtt.js: what {@link PacketSieve} leaves of what comes. */
import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import { PacketSieve, type Sieved, type Skipped } from "./packet-sieve.ts";

interface Chunk {
  readonly chunk: Buffer;
}

/**
 * What mqtt.js gets in one turn of the event loop, bytes. It goes through all packets of it, and answers them, before
 * anything else has a turn: 64 KiB of the shortest would hold up keys, and a module's line, for more than a second.
 */
const mostATurn = 256;

export class SievedStream extends Duplex {
  readonly socket: Socket;
  readonly #sieve: PacketSieve;
  readonly #onSkipped: (message: Skipped) => void;
  /** The broker does not read: what it sends is not read either, until it does. */
  #blocked = false;
  /** What passed the sieve, and mqtt.js did not get yet: of one read of the socket at the most. */
  readonly #waiting: Buffer[] = [];
  #turn: NodeJS.Immediate | undefined;
  /** mqtt.js has enough for now. */
  #full = false;
  /** Of what comes: `came` when the socket has ended, `told` when mqtt.js has all before it. */
  #end: "open" | "came" | "told" = "open";

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
    socket.on("end", () => {
      this.#end = "came";
      this.#next();
    });
    socket.on("error", (error) => this.destroy(error));
    socket.on("close", () => {
      // After an orderly end, what came before it is still read.
      if (!socket.readableEnded) this.destroy();
    });
    socket.pause();
  }

  override _read(): void {
    this.#full = false;
    this.#next();
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
    clearImmediate(this.#turn);
    this.#waiting.length = 0;
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
    this.#waiting.push(...sieved.kept);
    if (this.#waiting.length > 0) this.socket.pause();
    if (this.#turn === undefined && !this.#full) this.#give();
    for (const message of sieved.skipped) {
      this.#onSkipped(message);
      if (message.messageId !== undefined) this.#acknowledge(message.messageId);
    }
  }

  /** The next piece, in this turn. */
  #give(): void {
    const [part] = this.#waiting;
    if (part === undefined) return this.#next();
    if (part.length <= mostATurn) this.#waiting.shift();
    else this.#waiting[0] = part.subarray(mostATurn);
    if (!this.push(part.subarray(0, mostATurn))) this.#full = true;
    this.#next();
  }

  /** Has the next piece come in the next turn; where none waits the socket is read on, unless it has ended. */
  #next(): void {
    if (this.#turn !== undefined || this.destroyed) return;
    if (this.#waiting.length > 0) {
      if (this.#full) return;
      this.#turn = setImmediate(() => {
        this.#turn = undefined;
        this.#give();
      });
    } else if (this.#end === "came") {
      this.#end = "told";
      this.push(null);
    } else if (!this.#blocked && !this.#full) this.socket.resume();
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
      this.#next();
    });
  }
}
