/** The bytes of keys that an application, a relay or a batch may have: read once, and not needed any more after that. Pure. */
import { assert } from "../../base/assert.ts";
import { lengthOf, nowOf } from "../store/key-run.ts";
import { isFinal } from "../store/life.ts";
import type { KeyStore } from "../store/port.ts";
import { joinRanges } from "../store/ranges.ts";
import type { Use } from "../store/shapes.ts";

/**
 * @param done with the bytes of all keys, one after the other, which it wipes; undefined if they are damaged
 */
export function readGranted(
  store: Pick<KeyStore, "read" | "forget">,
  { link, uses }: { readonly link: string; readonly uses: readonly Use[] },
  done: (bytes: Buffer | undefined) => void,
): void {
  const ranges = uses.flatMap((use) => use.ranges);
  store.read(link, ranges, (bytes) => {
    // Another slave of the set may still fetch it, or be about to read it.
    for (const use of uses) if (!use.owner) use.readers = Math.max(0, (use.readers ?? 0) - 1);
    const over = nowOf(uses).filter(({ state, readers = 0 }) => isFinal(state) && readers === 0);
    store.forget(link, joinRanges(over.flatMap((use) => use.ranges)));
    done(bytes);
  });
}

/** The bytes of each key, in the order of their IDs: each entry has a length of its own. @param bytes of all of them */
export function keysIn(uses: readonly Use[], bytes: Buffer): Buffer[] {
  const keys: Buffer[] = [];
  let at = 0;
  for (const use of uses) {
    const length = lengthOf(use);
    for (let i = 0; i < use.count; i++, at += length) keys.push(bytes.subarray(at, at + length));
  }
  assert(at === bytes.length, "the bytes are those of the keys");
  return keys;
}
