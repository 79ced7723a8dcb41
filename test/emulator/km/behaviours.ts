/**
 * Ways for a KM to misbehave on purpose. A behaviour is asked about each Key supply message before
 * the key is stored and again before it is answered; the first one with an opinion decides.
 */
import { type Clock, systemClock } from "../../../src/base/clock.ts";
import type { SupplyFacts } from "./supply.ts";
import type { Reason } from "./wire.ts";

/** One Key supply message and the ways to deal with it, for as long as its connection is open. */
export interface Exchange {
  readonly supply: SupplyFacts;
  /** Sends the response; also later, and only the first time. */
  answer(reason: Reason): void;
  /** Cuts the connection without another word. */
  drop(): void;
  /** The response as it would go out, with its header. */
  response(reason: Reason): Buffer;
  /** Sends bytes as they are. */
  raw(bytes: Buffer): void;
}

export interface Behaviour {
  /**
   * The message is right, and the key not stored yet. `"handled"`: the behaviour has seen to it, and
   * the KM neither stores nor answers. A reason: the KM answers with that and does not store.
   */
  onSupply?(exchange: Exchange): "handled" | Reason | undefined;
  /** The KM is about to answer `reason`; the key is stored if that is `success`. */
  onAnswer?(exchange: Exchange, reason: Reason): "handled" | undefined;
}

/** When a behaviour strikes: before the key is stored, or once it is, before the answer. */
export type Moment = "before storing" | "before answering";

/** Runs `act` on the next `times` occasions and has no opinion after that. */
function limited<T>(times: number, act: (exchange: Exchange) => T) {
  let left = times;
  return (exchange: Exchange): T | undefined => (left-- > 0 ? act(exchange) : undefined);
}

function at(moment: Moment, strike: (exchange: Exchange) => "handled" | undefined): Behaviour {
  return moment === "before storing" ? { onSupply: strike } : { onAnswer: strike };
}

/** Answers the next `times` supplies with `reason`, and stores none of them. */
export function answerWith(reason: Exclude<Reason, "success">, times: number): Behaviour {
  return { onSupply: limited(times, () => reason) };
}

/** Cuts the connection at each of the next `times` supplies. */
export function dropConnection(moment: Moment, times = 1): Behaviour {
  return at(
    moment,
    limited(times, (exchange) => {
      exchange.drop();
      return "handled" as const;
    }),
  );
}

/** Leaves the next `times` supplies without an answer, the connection open. */
export function neverAnswer(moment: Moment, times = Number.POSITIVE_INFINITY): Behaviour {
  return at(
    moment,
    limited(times, () => "handled" as const),
  );
}

/**
 * Stores keys as they come and answers them one by one, in order.
 * @param everyMs from one answer to the next
 */
export function answerOneByOne(
  everyMs: number,
  clock: Clock = systemClock,
  times = Number.POSITIVE_INFINITY,
): Behaviour {
  let left = times;
  const waiting: (() => void)[] = [];
  const next = () => {
    waiting.shift()?.();
    if (waiting.length > 0) clock.after(everyMs, next);
  };
  return {
    onAnswer(exchange, reason) {
      if (left-- <= 0) return undefined;
      waiting.push(() => exchange.answer(reason));
      if (waiting.length === 1) clock.after(everyMs, next);
      return "handled";
    },
  };
}
