/**
 * Reliable delivery (QMLP §2): go-back-N in both directions, without I/O. The owner passes in what
 * arrives and the time, and is told what to put on the line. Both sides of a link use it.
 *
 * A frame waits here as its body only; it is encoded when it is handed to the line, with the
 * acknowledgement of that moment.
 */
import { wipeMemory } from "../../src/port/key.ts";
import { type Frame, flagNak, flagReliable, type } from "./frame.ts";

export const timing = {
  /** Acknowledge at the latest this long after a reliable frame, ms. */
  ackDelay: 20,
  /** Repeat a NAK for as long as the gap shows, ms. */
  nakInterval: 100,
  /** A second NAK for the same number is ignored for this long, ms. */
  nakIgnore: 50,
  /** Resend when nothing was acknowledged for this long, ms; doubled up to `resendMax`. */
  resendFirst: 500,
  resendMax: 2_000,
} as const;

interface Outstanding {
  readonly type: number;
  readonly body: Buffer;
}

/** Puts one frame on the line; called from within `pump`. */
export type Transmit = (
  messageType: number,
  flags: number,
  seq: number,
  ack: number,
  body: Buffer,
) => void;

const mask = 0xffff;
const empty = Buffer.alloc(0);

export class Arq {
  /** Reliable frames sent again. */
  resent = 0;

  readonly #transmit: Transmit;
  #window: number;
  #receiveWindow: number;

  /** Outstanding and waiting frames, oldest first; the oldest has number `#base`. */
  #queue: Outstanding[] = [];
  /** Where the queue begins in the array: shifting an array for each frame would be quadratic. */
  #head = 0;
  #base = 0;
  /** How many of the queue have been put on the line since the last going back. */
  #sent = 0;
  /** The most of the queue that were ever put on the line: what is below is a resend. */
  #sentMost = 0;

  #expected = 0;
  #unacknowledged = 0;
  #ackDue = Number.POSITIVE_INFINITY;
  #gap = false;
  #nakDue = Number.POSITIVE_INFINITY;

  #resendAfter: number = timing.resendFirst;
  #resendDue = Number.POSITIVE_INFINITY;
  #lastNak = -1;
  #lastNakAt = Number.NEGATIVE_INFINITY;

  /**
   * @param window how many reliable frames the peer lets us have outstanding
   * @param receiveWindow how many we let the peer have outstanding
   */
  constructor(window: number, receiveWindow: number, transmit: Transmit) {
    this.#window = window;
    this.#receiveWindow = receiveWindow;
    this.#transmit = transmit;
  }

  /** Frames that were queued and not yet acknowledged. */
  get pending(): number {
    return this.#queue.length - this.#head;
  }

  /** How many more frames can be queued before the peer's window is full. */
  get room(): number {
    return Math.max(0, this.#window - this.pending);
  }

  /**
   * Queues a reliable frame; `pump` puts it on the line. The body is kept until acknowledged and
   * wiped then, since it may be key.
   */
  queue(messageType: number, body: Buffer): void {
    this.#queue.push({ type: messageType, body });
  }

  /** Header fields for a frame that is not reliable; it acknowledges by being sent. */
  header(): { seq: number; ack: number } {
    this.#acknowledged();
    // The number of the next new frame: everything put on the line so far lies below it.
    return { seq: (this.#base + this.#sentMost) & mask, ack: this.#expected };
  }

  /**
   * Takes the header of any valid frame.
   * @returns true if it is a reliable frame to be acted upon now, or not a reliable one
   */
  receive(frame: Frame, now: number): boolean {
    this.#takeAck(frame, now);
    const ahead = (frame.seq - this.#expected) & mask;
    const beyond = ahead > 0 && ahead < 0x8000;
    if (beyond) {
      if (!this.#gap) {
        this.#gap = true;
        this.#nakDue = now;
      }
      return !frame.reliable;
    }
    if (!frame.reliable) return true;
    if (ahead !== 0) {
      this.#ackDue = now;
      return false;
    }
    this.#expected = (this.#expected + 1) & mask;
    this.#gap = false;
    this.#nakDue = Number.POSITIVE_INFINITY;
    this.#unacknowledged++;
    if (this.#unacknowledged >= this.#receiveWindow / 4) this.#ackDue = now;
    else if (this.#ackDue === Number.POSITIVE_INFINITY) this.#ackDue = now + timing.ackDelay;
    return true;
  }

  /**
   * Puts on the line what may go now: at most `limit` reliable frames, then an acknowledgement if
   * one is due.
   * @returns how many reliable frames went
   */
  pump(now: number, limit: number): number {
    if (now >= this.#resendDue) {
      this.#resendAfter = Math.min(this.#resendAfter * 2, timing.resendMax);
      this.#goBack(now);
    }
    let went = 0;
    const most = Math.min(this.pending, this.#window);
    while (this.#sent < most && went < limit) {
      const item = this.#queue[this.#head + this.#sent] as Outstanding;
      const seq = (this.#base + this.#sent) & mask;
      this.#sent++;
      if (this.#sent <= this.#sentMost) this.resent++;
      else this.#sentMost = this.#sent;
      if (this.#resendDue === Number.POSITIVE_INFINITY) this.#resendDue = now + this.#resendAfter;
      this.#acknowledged();
      this.#transmit(item.type, flagReliable, seq, this.#expected, item.body);
      went++;
    }
    if (this.#gap && now >= this.#nakDue) {
      this.#nakDue = now + timing.nakInterval;
      const { seq, ack } = this.header();
      this.#transmit(type.ack, flagNak, seq, ack, empty);
    } else if (now >= this.#ackDue) {
      const { seq, ack } = this.header();
      this.#transmit(type.ack, 0, seq, ack, empty);
    }
    return went;
  }

  /** When `pump` must be called again if nothing happens before; infinite if never. */
  get due(): number {
    return Math.min(this.#ackDue, this.#nakDue, this.#resendDue);
  }

  /** Whether frames wait that the window would let go. */
  get ready(): boolean {
    return this.#sent < Math.min(this.pending, this.#window);
  }

  /** Wipes and forgets everything outstanding. */
  wipe(): void {
    for (const item of this.#queue) wipeMemory(item.body);
    this.#queue = [];
    this.#head = 0;
    this.#sent = 0;
    this.#sentMost = 0;
  }

  #acknowledged(): void {
    this.#unacknowledged = 0;
    this.#ackDue = Number.POSITIVE_INFINITY;
  }

  #takeAck(frame: Frame, now: number): void {
    const advance = (frame.ack - this.#base) & mask;
    if (advance > this.#sentMost) return;
    if (advance > 0) {
      for (let i = 0; i < advance; i++) {
        wipeMemory((this.#queue[this.#head + i] as Outstanding).body);
      }
      this.#head += advance;
      if (this.#head > 1024 || this.#head === this.#queue.length) {
        this.#queue.splice(0, this.#head);
        this.#head = 0;
      }
      this.#base = frame.ack;
      this.#sent = Math.max(0, this.#sent - advance);
      this.#sentMost -= advance;
      this.#resendAfter = timing.resendFirst;
      this.#resendDue = this.#sentMost === 0 ? Number.POSITIVE_INFINITY : now + this.#resendAfter;
    }
    if (frame.nak && this.#sentMost > 0) {
      const repeat = frame.ack === this.#lastNak && now - this.#lastNakAt < timing.nakIgnore;
      if (!repeat) {
        this.#lastNak = frame.ack;
        this.#lastNakAt = now;
        this.#goBack(now);
      }
    }
  }

  #goBack(now: number): void {
    this.#sent = 0;
    this.#resendDue = now + this.#resendAfter;
  }
}
