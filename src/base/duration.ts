/**
 * A length of time. A plain number is not taken for one, so that seconds cannot be handed on as
 * milliseconds: where a number comes in, its unit is said once, by the constructor.
 */

declare const unit: unique symbol;

/**
 * Milliseconds, 0 or more, finite. May be passed wherever plain milliseconds are taken; what is
 * calculated from it is a plain number again, and names its unit anew.
 */
export type Duration = number & { readonly [unit]: "ms" };

/** @throws RangeError: negative, infinite or not a number */
export function ms(count: number): Duration {
  if (!Number.isFinite(count) || count < 0) throw new RangeError(`no duration: ${count} ms`);
  return count as Duration;
}

/** @throws RangeError: negative, infinite or not a number */
export function seconds(count: number): Duration {
  return ms(count * 1_000);
}

/** @throws RangeError: negative, infinite or not a number */
export function minutes(count: number): Duration {
  return ms(count * 60_000);
}

/** For what takes plain milliseconds, and for facts whose names end in `_ms`. */
export function toMs(duration: Duration): number {
  return duration;
}

/** For people, and for facts whose names end in `_s`; not rounded. */
export function toSeconds(duration: Duration): number {
  return duration / 1_000;
}
