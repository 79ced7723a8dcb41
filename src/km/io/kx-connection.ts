/**
 * One connection to another KM, from HELLO to its end: frames in order, signs of life, a bounded queue. Who
 * the other KM must be is decided in `kx-link.ts` and `kx-door.ts`.
 */
import type { TLSSocket } from "node:tls";
import { type Clock, every, type Timer, within } from "../../base/clock.ts";
import { Fault } from "../../base/errors.ts";
import { peerOf, type TlsPeer } from "../../host/tls/peer.ts";
import { connectionReason } from "../../host/tls/reason.ts";
import { freeMemory } from "../../port/key.ts";
import { KqDeframer, type KqFrame } from "../../wire/kq1/frame.ts";
import { decodePayload } from "../../wire/kx/codec.ts";
import type { Hello, KxMessage } from "../../wire/kx/messages.ts";
import { type KxVersion, sinceVersion2, tagKey, times, versionOf } from "../../wire/kx/names.ts";
import { RelayJoiner } from "../../wire/kx/relay-pieces.ts";
import { KxOutgoing, messageIdAfter } from "./kx-outgoing.ts";

/** How often it is looked at whether anything is due, ms. */
const lookMs = 500;

export interface KxHandlers {
  onHello(hello: Hello): void;
  /** In the order in which they were sent; never a HELLO. */
  onMessage(message: KxMessage): void;
  /** Once. Nothing is called after it. */
  onEnd(why: Fault): void;
}

export class KxConnection {
  readonly isDialer: boolean;
  /** Of the protocol, as the handshake agreed. */
  readonly version: KxVersion;
  readonly peer: TlsPeer | undefined;
  readonly #socket: TLSSocket;
  readonly #clock: Clock;
  readonly #out: KxOutgoing;
  readonly #watch: Timer;
  readonly #begunAt: number;
  readonly #joiner = new RelayJoiner();
  #handlers: KxHandlers;
  #heardAt: number;
  #messageId = 0;
  /** Since when a frame is begun and not complete, monotonic ms. */
  #frameSince: number | undefined;
  #hello: Hello | undefined;
  #said: Hello | undefined;
  #isOver = false;
  readonly #over = Promise.withResolvers<void>();
  /** Why this end is about to end it. */
  #leaving: Fault | undefined;

  /** @param socket whose handshake is complete; this connection's from now on */
  constructor(socket: TLSSocket, isDialer: boolean, clock: Clock, handlers: KxHandlers) {
    this.#socket = socket;
    this.isDialer = isDialer;
    this.version = versionOf(socket.alpnProtocol) ?? 1;
    this.peer = peerOf(socket);
    this.#clock = clock;
    this.#handlers = handlers;
    this.#begunAt = clock.now();
    this.#heardAt = this.#begunAt;
    this.#out = new KxOutgoing(socket, () => clock.now());
    this.#watch = every(clock, lookMs, () => this.#look());
    socket.setNoDelay(true);
    const deframer = new KqDeframer((frame) => this.#heard(frame), "kx.frame");
    socket.on("data", (chunk: Buffer) => {
      if (this.#isOver) return;
      this.#heardAt = clock.now();
      const before = this.#messageId;
      if (this.#leaving === undefined) this.#guard(() => deframer.push(chunk));
      if (deframer.pending === 0) this.#frameSince = undefined;
      else if (this.#messageId !== before) this.#frameSince = this.#heardAt;
      else this.#frameSince ??= this.#heardAt;
      // Whatever came of it has bytes of its own.
      freeMemory(chunk);
    });
    socket.on("drain", () => this.#guard(() => this.#out.pump()));
    socket.on("error", (error) => {
      this.end(new Fault("kx.closed", `the link ended: ${connectionReason(error, "KM")}`));
    });
    socket.on("close", () => this.end(new Fault("kx.closed", "the link was closed")));
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Bytes that wait for the other KM to read them. */
  get waiting(): number {
    return this.#out.waiting;
  }

  /** Others hear from now on. */
  handOver(handlers: KxHandlers): void {
    this.#handlers = handlers;
  }

  /** Does nothing on a connection that is over: what matters is sent again in the next session. */
  send(message: KxMessage): void {
    if (this.#isOver || this.#leaving !== undefined) return;
    if (message.type === "hello") this.#said = message;
    this.#guard(() => this.#out.send(message));
    if (!this.#out.full) return;
    const facts = { waiting: this.#out.waiting };
    this.end(new Fault("kx.silent", "too much waits for the other KM", facts));
  }

  /** Key of the keyed hashes of this session: both ends have the same. Both must have said HELLO. */
  tagKey(): Buffer {
    const [first, second] = this.isDialer ? [this.#said, this.#hello] : [this.#hello, this.#said];
    if (first === undefined || second === undefined) throw new Error("HELLO is missing");
    const both = [first.incarnation, first.nonce, second.incarnation, second.nonce];
    return this.#socket.exportKeyingMaterial(tagKey.bytes, tagKey.label, Buffer.concat(both));
  }

  end(why: Fault): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#watch.cancel();
    this.#socket.destroy();
    this.#over.resolve();
    this.#handlers.onEnd(this.#leaving ?? why);
  }

  /** Hears nothing more, and ends once the other KM has all that was said. @param withinMs then it ends all the same */
  async leave(why: Fault, withinMs: number): Promise<void> {
    if (this.#isOver) return;
    this.#leaving ??= why;
    this.#guard(() => this.#out.end());
    const late = () => why;
    await within(this.#clock, withinMs, this.#over.promise, late).catch((fault: Fault) => {
      this.end(fault);
    });
  }

  #heard({ messageId, command, payload }: KqFrame): void {
    if (this.#isOver) return;
    const expected = messageIdAfter(this.#messageId);
    if (messageId !== expected) {
      throw new Fault("kx.frame", "MessageIDs do not count", { message_id: messageId, expected });
    }
    this.#messageId = messageId;
    if (this.version === 1 && sinceVersion2.has(command)) {
      throw new Fault("kx.message", "unknown command of a KM link of version 1", { command });
    }
    const part = decodePayload(command, payload);
    const message = this.#joiner.add(part);
    if (part.type === "relayPiece") freeMemory(part.bytes);
    if (message === undefined) return;
    if ((message.type === "hello") !== (this.#hello === undefined)) {
      const facts = { message: message.type };
      throw new Fault("kx.message", "HELLO is the first message, and comes once", facts);
    }
    if (message.type !== "hello") return this.#handlers.onMessage(message);
    if (message.version !== this.version) {
      const facts = { version: message.version, expected: this.version };
      throw new Fault("kx.version", "HELLO is of another version than the handshake's", facts);
    }
    this.#hello = message;
    this.#handlers.onHello(message);
  }

  #guard(act: () => void): void {
    try {
      act();
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      this.end(error);
    }
  }

  #look(): void {
    const now = this.#clock.now();
    if (this.#hello === undefined) {
      if (now - this.#begunAt < times.helloMs) return;
      return this.end(new Fault("kx.silent", "no HELLO in time", { limit_ms: times.helloMs }));
    }
    const limit = { limit_ms: times.silenceMs };
    if (now - this.#heardAt >= times.silenceMs) {
      return this.end(new Fault("kx.silent", "the other KM says nothing", limit));
    }
    if (this.#frameSince !== undefined && now - this.#frameSince >= times.frameMs) {
      const facts = { limit_ms: times.frameMs };
      return this.end(new Fault("kx.silent", "the other KM does not finish its message", facts));
    }
    if (this.#out.stalledMs >= times.silenceMs) {
      return this.end(new Fault("kx.silent", "the other KM reads nothing", limit));
    }
    if (now - this.#out.wroteAt >= times.aliveMs) this.send({ type: "alive" });
  }
}
