/** QKD-keys of a store one by one, as tests have them: stores take and give them in columns. */
import { type ReceivedKeys, wholeBytes } from "../../src/km/keys/received.ts";
import { type Buffered, type BufferedKeys, eachOf } from "../../src/km/store/buffered.ts";
import type { KeyStore } from "../../src/km/store/port.ts";

/** A key as a node hands it over. */
export interface SomeKey {
  /** 16 bytes. */
  readonly id: Uint8Array;
  readonly bits: number;
  readonly bytes: Uint8Array;
  readonly generatedAt?: number;
  readonly qber?: number;
}

export function received(keys: readonly SomeKey[]): ReceivedKeys {
  return {
    count: keys.length,
    ids: Buffer.concat(keys.map(({ id }) => id)),
    bits: Uint32Array.from(keys, ({ bits }) => bits),
    generatedAt: Float64Array.from(keys, ({ generatedAt = Number.NaN }) => generatedAt),
    qber: Float64Array.from(keys, ({ qber = Number.NaN }) => qber),
    bytes: Buffer.concat(keys.map(({ bytes, bits }) => bytes.subarray(0, wholeBytes(bits)))),
  };
}

/** The same from columns. */
export function eachReceived(keys: ReceivedKeys): SomeKey[] {
  let start = 0;
  return Array.from(keys.bits, (bits, i) => {
    const [generatedAt, qber] = [keys.generatedAt[i] as number, keys.qber[i] as number];
    const from = start;
    start += wholeBytes(bits);
    return {
      id: Buffer.from(keys.ids.subarray(i * 16, i * 16 + 16)),
      bits,
      bytes: Buffer.from(keys.bytes.subarray(from, start)),
      ...(!Number.isNaN(generatedAt) && { generatedAt }),
      ...(!Number.isNaN(qber) && { qber }),
    };
  });
}

/** @param done none if the disk is full */
export function putKeys(
  store: Pick<KeyStore, "put">,
  module: string,
  keys: readonly SomeKey[],
  done: (stored: readonly Buffered[]) => void,
): void {
  store.put(module, received(keys), (stored) =>
    done(stored === undefined ? [] : [...eachOf(stored)]),
  );
}

export function allIn(buffered: readonly BufferedKeys[]): Buffered[] {
  return buffered.flatMap((keys) => [...eachOf(keys)]);
}

/** Those of one module and time that are side by side, together. */
export function columnsOf(keys: readonly Buffered[]): BufferedKeys[] {
  const runs: Buffered[][] = [];
  for (const key of keys) {
    const last = runs.at(-1);
    const [first] = last ?? [];
    if (first?.module === key.module && first.at === key.at) last?.push(key);
    else runs.push([key]);
  }
  return runs.map((of) => ({
    module: of[0]?.module ?? "",
    at: of[0]?.at ?? 0,
    handles: Float64Array.from(of, ({ handle }) => handle),
    ids: Buffer.concat(of.map(({ id }) => id)),
    bits: Uint32Array.from(of, ({ bits }) => bits),
    generatedAt: Float64Array.from(of, ({ generatedAt = Number.NaN }) => generatedAt),
    qber: Float64Array.from(of, ({ qber = Number.NaN }) => qber),
  }));
}
