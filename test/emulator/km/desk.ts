/**
 * What a KM does with a message: reads it, applies its policy, stores the key, says what to answer.
 * Knows nothing of sockets.
 */
import { Fault } from "../../../src/base/errors.ts";
import type { Behaviour, Exchange } from "./behaviours.ts";
import type { KmStore, Outcome, StoredKey } from "./store.ts";
import { readSupply, type Supply, type SupplyFacts } from "./supply.ts";
import { type Reason, reasons } from "./wire.ts";

/** Whom and what the KM accepts; what is left out is not restricted. */
export interface Policy {
  /** QKD module IDs; others get `unknown_module`. */
  readonly modules?: readonly string[];
  /** Names, one of which must be in the client's certificate (CN or SAN); else `unauthorized`. */
  readonly clients?: readonly string[];
  /** Lengths in bits; others get `key_length_unsupported`. */
  readonly keyBits?: { readonly min: number; readonly max: number };
}

/** What the connection that a message came on can do for the desk. */
export interface Line {
  /** Names in the client's certificate; undefined on plain TCP. */
  readonly peer: readonly string[] | undefined;
  /**
   * Sends the response, the first time it is called.
   * @returns false if it was called before, or the connection is closed
   */
  answer(reason: Reason, keyId: string, moduleId?: string): boolean;
  /** The response as `answer` would send it. */
  response(reason: Reason, keyId: string, moduleId?: string): Buffer;
  /** Sends bytes as they are. */
  raw(bytes: Buffer): void;
  /** Closes in order, after what was answered. */
  close(): void;
  /** Cuts the connection. */
  drop(): void;
}

export interface DeskEvents {
  /** A key arrived for the first time, and its answer is on the way (unless a behaviour ate it). */
  stored(key: StoredKey): void;
  /** A key arrived that was there already. */
  repeated(key: StoredKey): void;
  /** A message was refused. */
  refused(reason: Reason, fault: Fault): void;
}

const outcomeReasons: Record<Outcome, Reason> = {
  stored: "success",
  repeat: "success",
  conflict: "duplicate_key_ID",
  full: "storage_full",
};

export class Desk {
  readonly store: KmStore;
  readonly behaviours = new Set<Behaviour>();
  /** Responses sent, by reason. */
  readonly answers: Record<Reason, number>;
  readonly #policy: Policy;
  readonly #events: DeskEvents;

  constructor(store: KmStore, policy: Policy, events: DeskEvents) {
    this.store = store;
    this.answers = Object.fromEntries(reasons.map((reason) => [reason, 0])) as typeof this.answers;
    this.#policy = policy;
    this.#events = events;
  }

  /** Deals with the payload of a Key supply message, and overwrites the key in it. */
  supply(payload: Uint8Array, line: Line): void {
    const read = readSupply(payload);
    if ("fault" in read) {
      this.#answer(line, read.reason, read.keyId, read.moduleId);
      this.#events.refused(read.reason, read.fault);
      if (read.broken) line.close();
      return;
    }
    const outcome = this.#serve(read, line);
    if (outcome !== "stored") read.bytes.fill(0);
    const key = this.store.get(read.facts.id);
    if (key === undefined) return;
    if (outcome === "stored") this.#events.stored(key);
    else if (outcome === "repeat") this.#events.repeated(key);
  }

  /** Answers a message that can't be followed. */
  reject(fault: Fault, line: Line): void {
    this.#answer(line, "invalid_message", "");
    this.#events.refused("invalid_message", fault);
    line.close();
  }

  /** @returns what became of the key; undefined if it never came to the store */
  #serve(supply: Supply, line: Line): Outcome | undefined {
    const { facts } = supply;
    const exchange: Exchange = {
      supply: facts,
      answer: (reason) => this.#answer(line, reason, facts.id, facts.moduleId),
      drop: () => line.drop(),
      response: (reason) => line.response(reason, facts.id, facts.moduleId),
      raw: (bytes) => line.raw(bytes),
    };
    const forbidden = this.#judge(facts, line.peer) ?? this.#before(exchange);
    if (forbidden === "handled") return undefined;

    const outcome = forbidden === undefined ? this.store.put(supply) : undefined;
    const reason = outcome === undefined ? forbidden : outcomeReasons[outcome];
    if (reason !== undefined && !this.#handled(exchange, reason)) exchange.answer(reason);
    if (reason !== undefined && reason !== "success") this.#refuse(reason, facts);
    return outcome;
  }

  #judge(facts: SupplyFacts, peer: readonly string[] | undefined): Reason | undefined {
    const { modules, clients, keyBits } = this.#policy;
    if (clients !== undefined && !peer?.some((name) => clients.includes(name))) {
      return "unauthorized";
    }
    if (modules !== undefined && !modules.includes(facts.moduleId)) return "unknown_module";
    if (keyBits !== undefined && (facts.bits < keyBits.min || facts.bits > keyBits.max)) {
      return "key_length_unsupported";
    }
    return undefined;
  }

  #before(exchange: Exchange): "handled" | Reason | undefined {
    for (const behaviour of this.behaviours) {
      const opinion = behaviour.onSupply?.(exchange);
      if (opinion !== undefined) return opinion;
    }
    return undefined;
  }

  #handled(exchange: Exchange, reason: Reason): boolean {
    for (const behaviour of this.behaviours) {
      if (behaviour.onAnswer?.(exchange, reason) === "handled") return true;
    }
    return false;
  }

  #answer(line: Line, reason: Reason, keyId: string, moduleId?: string): void {
    if (line.answer(reason, keyId, moduleId)) this.answers[reason]++;
  }

  #refuse(reason: Reason, facts: SupplyFacts): void {
    const fault = new Fault("kq1.message", "supply refused", { reason, key_ID: facts.id });
    this.#events.refused(reason, fault);
  }
}
