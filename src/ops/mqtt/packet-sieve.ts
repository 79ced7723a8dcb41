/**
 * What of a broker's bytes mqtt.js gets to see. It collects a packet of any length before it looks at
 * it, and in MQTT 3.1.1 keeps every message of QoS 2 until the broker releases it. So a message that
 * is too long is left out, and what a broker must not send ends the connection. Pure.
 */
import { Fault, type FaultFacts } from "../../base/errors.ts";

/** A message that was left out. */
export interface Skipped {
  /** Its first 256 bytes. */
  readonly topic: string;
  /** Of the whole packet. */
  readonly bytes: number;
  /** Of a message of QoS 1: it comes again until it is acknowledged. */
  readonly messageId: number | undefined;
}

export interface Sieved {
  /** Whole headers and parts of bodies, in order. */
  readonly kept: readonly Buffer[];
  readonly skipped: readonly Skipped[];
}

const publish = 3;
/** Bytes of a length, at most. */
const longestLength = 4;
const longestTopic = 256;

export class PacketSieve {
  readonly #limit: number;
  /** Of a packet whose length is not known yet: 4 bytes at most. */
  #held: Buffer = Buffer.alloc(0);
  /** Bytes of the packet at hand that are still to come. */
  #rest = 0;
  /** The packet at hand, if it is left out. */
  #skipping: SkippedPublish | undefined;

  /** @param limit longest packet that is kept, with its header, bytes */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** @throws Fault `mqtt.closed` for what no broker may send; the sieve is of no use then */
  take(bytes: Buffer): Sieved {
    const chunk = this.#held.length === 0 ? bytes : Buffer.concat([this.#held, bytes]);
    this.#held = Buffer.alloc(0);
    const kept: Buffer[] = [];
    const skipped: Skipped[] = [];
    /** Where that begins which is kept and not given yet. */
    let from = 0;
    const keep = (to: number) => {
      if (to > from) kept.push(chunk.subarray(from, to));
    };
    let at = 0;
    while (at < chunk.length) {
      if (this.#rest === 0) {
        const body = this.#begin(chunk, at);
        if (body === undefined) {
          // A copy: the chunk is not to be kept for it.
          this.#held = Buffer.from(chunk.subarray(at));
          keep(at);
          return { kept, skipped };
        }
        if (this.#skipping !== undefined) keep(at);
        at = body;
      }
      const to = Math.min(chunk.length, at + this.#rest);
      this.#skipping?.take(chunk.subarray(at, to));
      this.#rest -= to - at;
      at = to;
      if (this.#skipping === undefined) continue;
      from = at;
      if (this.#rest > 0) continue;
      skipped.push(this.#skipping.told());
      this.#skipping = undefined;
    }
    keep(at);
    return { kept, skipped };
  }

  /** A packet begins. @returns where its body does; undefined: its length is not all there */
  #begin(chunk: Buffer, at: number): number | undefined {
    const first = chunk[at] as number;
    const qos = (first >> 1) & 3;
    const isMessage = first >> 4 === publish;
    // Everything here is subscribed to with QoS 1.
    if (isMessage && qos > 1) throw violation("it sends a message of a QoS that was not asked for");
    let length = 0;
    for (let n = 0; n < longestLength; n++) {
      const byte = chunk[at + 1 + n];
      if (byte === undefined) return undefined;
      length += (byte & 0x7f) * 128 ** n;
      if (byte >= 0x80) continue;
      const head = 2 + n;
      const size = head + length;
      if (size > this.#limit) {
        const facts = { bytes: size, limit: this.#limit };
        if (!isMessage) throw violation("it sends a packet that is too long", facts);
        this.#skipping = new SkippedPublish(size, length, qos === 1);
      }
      this.#rest = length;
      return at + head;
    }
    throw violation("what it sends is no MQTT");
  }
}

/** Finds topic and identifier in the body of a message, without keeping more of it. */
class SkippedPublish {
  readonly #size: number;
  readonly #length: number;
  readonly #confirmed: boolean;
  #at = 0;
  #topicLength = 0;
  readonly #topic: number[] = [];
  #messageId = 0;

  /** @param length of the body, bytes */
  constructor(size: number, length: number, confirmed: boolean) {
    this.#size = size;
    this.#length = length;
    this.#confirmed = confirmed;
  }

  take(bytes: Buffer): void {
    for (const byte of bytes) {
      const topicEnd = 2 + this.#topicLength;
      const at = this.#at++;
      if (at < 2) this.#lengthByte(byte);
      else if (at < topicEnd) this.#topicByte(byte);
      else if (at < topicEnd + 2) this.#messageId = this.#messageId * 256 + byte;
      else return;
    }
  }

  #lengthByte(byte: number): void {
    this.#topicLength = this.#topicLength * 256 + byte;
    const head = 2 + this.#topicLength + (this.#confirmed ? 2 : 0);
    if (this.#at === 2 && head > this.#length) throw violation("what it sends is no MQTT");
  }

  #topicByte(byte: number): void {
    if (this.#topic.length < longestTopic) this.#topic.push(byte);
  }

  told(): Skipped {
    return {
      topic: Buffer.from(this.#topic).toString("utf8"),
      bytes: this.#size,
      messageId: this.#confirmed ? this.#messageId : undefined,
    };
  }
}

function violation(what: string, facts: FaultFacts = {}): Fault {
  return new Fault("mqtt.closed", what, facts);
}
