/**
 * The node's half of a QMLP conversation below the messages: frames in and out of a link, reliable
 * delivery, liveness. It ends with a fault, and is not used again.
 */
import type { Clock, Timer } from "../../src/base/clock.ts";
import { Fault } from "../../src/base/errors.ts";
import type { LinkQuality } from "../../src/port/module.ts";
import type { Link } from "../link/link.ts";
import { Arq } from "./arq.ts";
import { Deframer } from "./deframer.ts";
import { type Frame, isKnown, isReliable, type, wireBound, writeFrame } from "./frame.ts";

export const liveness = {
  /** A PING goes out when nothing else did for this long, ms. */
  pingAfter: 500,
  /** The peer is dead when no valid frame came for this long, ms. */
  deadAfter: 2_000,
} as const;

const empty = Buffer.alloc(0);

export interface LineHandlers {
  /** A frame to act upon: of the open session, in order, each once. May throw a Fault. */
  message(frame: Frame): void;
  /** A frame that arrived before the line was opened. */
  greeting(frame: Frame): void;
  /** Room for more reliable frames: queue what waits. Called before each pump. */
  refill(room: number): void;
  /** The conversation is over. Called once. */
  failed(fault: Fault): void;
}

export class Line {
  readonly #link: Link;
  readonly #where: string;
  readonly #clock: Clock;
  readonly #handlers: LineHandlers;
  readonly #deframer: Deframer;
  #arq: Arq | undefined;
  #ended = false;
  #pumpQueued = false;
  #timer: Timer | undefined;
  #timerDue = Number.POSITIVE_INFINITY;
  #heardAt = 0;
  #sentAt = 0;
  #pings = 0;
  #framesSent = 0;
  #bytesSent = 0;
  #bytesReceived = 0;

  /**
   * @param maxBody longest body in either direction, bytes
   * @param shortCrc whether the peer was told that it may send short CRCs
   */
  constructor(
    link: Link,
    where: string,
    clock: Clock,
    { maxBody, shortCrc }: { readonly maxBody: number; readonly shortCrc: boolean },
    handlers: LineHandlers,
  ) {
    this.#link = link;
    this.#where = where;
    this.#clock = clock;
    this.#handlers = handlers;
    this.#deframer = new Deframer(maxBody, (frame) => this.#frame(frame), shortCrc);
  }

  /** The peer has welcomed us: numbering, acknowledging and liveness begin. */
  open(sendWindow: number, receiveWindow: number): void {
    this.#arq = new Arq(sendWindow, receiveWindow, (messageType, flags, seq, ack, body) =>
      this.#write(messageType, flags, seq, ack, body),
    );
    this.#heardAt = this.#clock.now();
    this.#sentAt = this.#heardAt;
    this.scheduleSend();
  }

  /** Bytes from the link. */
  push(chunk: Buffer): void {
    if (this.#ended) return;
    this.#bytesReceived += chunk.length;
    this.#deframer.push(chunk);
    this.scheduleSend();
  }

  /** Sends a frame outside of reliable delivery, at once. */
  send(messageType: number, body: Buffer): void {
    if (this.#ended) return;
    const { seq, ack } = this.#arq?.header() ?? { seq: 0, ack: 0 };
    this.#write(messageType, 0, seq, ack, body);
  }

  /** Queues a reliable frame. Only within `refill`, and no more than there is room for. */
  queue(messageType: number, body: Buffer): void {
    this.#arq?.queue(messageType, body);
  }

  /** Lets the line send what there is to send, at the end of this turn of the event loop. */
  scheduleSend(): void {
    if (this.#pumpQueued || this.#ended || this.#arq === undefined) return;
    this.#pumpQueued = true;
    queueMicrotask(() => {
      this.#pumpQueued = false;
      this.#pump();
    });
  }

  fail(fault: Fault): void {
    if (this.#ended) return;
    this.stop();
    this.#handlers.failed(fault);
  }

  /** Stops without a word; wipes what may be key. */
  stop(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#timer?.cancel();
    this.#arq?.wipe();
    this.#deframer.wipe();
  }

  /** Reliable frames not yet acknowledged by the peer. */
  get pending(): number {
    return this.#arq?.pending ?? 0;
  }

  quality(): LinkQuality {
    return {
      framesReceived: this.#deframer.good,
      framesSent: this.#framesSent,
      bytesReceived: this.#bytesReceived,
      bytesSent: this.#bytesSent,
      framesBad: this.#deframer.bad,
      framesResent: this.#arq?.resent ?? 0,
    };
  }

  #frame(frame: Frame): void {
    if (this.#ended) return;
    try {
      if (this.#arq === undefined) {
        this.#handlers.greeting(frame);
      } else {
        this.#openFrame(frame, this.#arq);
      }
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      this.fail(error);
    }
  }

  #openFrame(frame: Frame, arq: Arq): void {
    this.#heardAt = this.#clock.now();
    if (isKnown(frame.type) && frame.reliable !== isReliable(frame.type)) {
      throw new Fault("qmlp.message", "frame with a wrong R flag", {
        source: this.#where,
        type: frame.type,
      });
    }
    if (!arq.receive(frame, this.#heardAt)) return;
    switch (frame.type) {
      case type.ping:
        this.send(type.pong, Buffer.from(frame.body.subarray(0, 4)));
        return;
      case type.pong:
      case type.ack:
      case type.unknown:
      // A WELCOME here answers a HELLO that was repeated.
      case type.welcome:
        return;
      case type.bye:
        throw new Fault("link.closed", "module ended the session", {
          source: this.#where,
          reason: frame.body[0] ?? 0,
        });
      default:
        if (isKnown(frame.type)) this.#handlers.message(frame);
        else this.send(type.unknown, Buffer.from([frame.type]));
    }
  }

  #pump(): void {
    const arq = this.#arq;
    if (this.#ended || arq === undefined) return;
    const now = this.#clock.now();
    if (now - this.#heardAt >= liveness.deadAfter) {
      this.fail(
        new Fault("link.stalled", "module is silent", {
          source: this.#where,
          limit_ms: liveness.deadAfter,
        }),
      );
      return;
    }
    this.#handlers.refill(arq.room);
    // The frames the node sends are few and small: no pacing beyond the peer's window is needed.
    arq.pump(now, Number.POSITIVE_INFINITY);
    if (now - this.#sentAt >= liveness.pingAfter) {
      const token = Buffer.alloc(4);
      token.writeUInt32LE(this.#pings++ >>> 0);
      this.send(type.ping, token);
    }
    const due = Math.min(
      arq.due,
      this.#heardAt + liveness.deadAfter,
      this.#sentAt + liveness.pingAfter,
    );
    this.#arm(due, now);
  }

  /** Keeps one timer; one that is due early enough is left alone, since each turn would move it. */
  #arm(due: number, now: number): void {
    if (this.#timer !== undefined && this.#timerDue <= due) return;
    this.#timer?.cancel();
    this.#timerDue = due;
    this.#timer = this.#clock.after(Math.max(1, due - now), () => {
      this.#timer = undefined;
      this.#pump();
    });
  }

  #write(messageType: number, flags: number, seq: number, ack: number, body: Uint8Array): void {
    const bytes = Buffer.allocUnsafeSlow(wireBound(body.length) + 1);
    // The link's first frame follows a 0x00 of its own, and so may every other (QMLP §1).
    let start = 0;
    if (this.#framesSent === 0) bytes[start++] = 0;
    const end = writeFrame(messageType, flags, seq, ack, body, bytes, start);
    this.#framesSent++;
    this.#bytesSent += end;
    this.#sentAt = this.#clock.now();
    this.#link.write(bytes.subarray(0, end));
  }
}

export { empty as noBody };
