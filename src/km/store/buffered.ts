/** QKD-keys that wait in the buffer of a store: what is known of them, in columns, and one by one. */
import { wholeBytes } from "../keys/received.ts";

/** Names a QKD-key in the buffer: a number that is never used again in the life of a store. */
export type Handle = number;

/** Some of them, in order. */
export type Handles = readonly Handle[] | Float64Array;

/** A QKD-key that waits in the buffer for its match. */
export interface Buffered {
  readonly handle: Handle;
  /** Name of the module in the configuration of this KM. */
  readonly module: string;
  /** QKD-key ID, 16 bytes. */
  readonly id: Uint8Array;
  /** Whole bytes. */
  readonly length: number;
  /** Bits of the QKD-key as it came. */
  readonly bits: number;
  /** When it was stored, ms since 1970 UTC by this machine's clock. */
  readonly at: number;
  readonly generatedAt?: number;
  readonly qber?: number;
}

/** Of one module, stored at one time: see {@link Buffered}. */
export interface BufferedKeys {
  readonly module: string;
  readonly at: number;
  readonly handles: Float64Array;
  /** 16 bytes each, one after the other. */
  readonly ids: Buffer;
  readonly bits: Uint32Array;
  /** NaN where it is not told. */
  readonly generatedAt: Float64Array;
  readonly qber: Float64Array;
}

/** One by one: for few, or to be looked at. */
export function* eachOf(keys: BufferedKeys): Generator<Buffered> {
  const { module, at, handles, ids } = keys;
  for (let i = 0; i < handles.length; i++) {
    const bits = keys.bits[i] as number;
    const generatedAt = keys.generatedAt[i] as number;
    const qber = keys.qber[i] as number;
    yield {
      handle: handles[i] as Handle,
      module,
      id: ids.subarray(i * 16, i * 16 + 16),
      length: wholeBytes(bits),
      bits,
      at,
      ...(!Number.isNaN(generatedAt) && { generatedAt }),
      ...(!Number.isNaN(qber) && { qber }),
    };
  }
}
