/**
 * Loops over bytes that JavaScript is slow at, on the processor's vectors (WebAssembly; the source is
 * in scripts/wasm). They work in one memory of fixed size, outside of the JavaScript heap. What is put
 * there is the caller's to wipe, before it returns to the event loop.
 */
import { moduleText, pages } from "./engine-code.ts";

declare const WebAssembly: {
  readonly Memory: new (size: {
    initial: number;
    maximum: number;
  }) => { readonly buffer: ArrayBuffer };
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (
    module: object,
    imports: { readonly env: { readonly memory: object } },
  ) => { readonly exports: unknown };
};

const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
const code = new WebAssembly.Module(Buffer.from(moduleText, "base64"));
const instance = new WebAssembly.Instance(code, { env: { memory } });

/** The memory that the routines work in. */
export const scratch = Buffer.from(memory.buffer);

/**
 * Where in {@link scratch} things go: messages of short keys, behind what the routines have there; key
 * IDs; short keys that came; a source of up to 64 KiB; what is made of it.
 */
export const place = {
  small: 0x400,
  ids: 0x8000,
  arrived: 0xc000,
  source: 0x1_0000,
  result: 0x2_0000,
} as const;

/** Where the rest begins, which `place` divides among the modules that use it. */
let free = 0x4_0000;

/** A part of {@link scratch} for good, or undefined once all is given away. @param length bytes */
export function scratchPiece(length: number): Buffer | undefined {
  if (free + length > scratch.length) return undefined;
  free += length;
  return scratch.subarray(free - length, free);
}

/** The routines; all offsets are into {@link scratch}. */
export const engine = instance.exports as {
  /** Writes the base64 of `[from, end)` at `to`, in whole vectors: up to 15 bytes more of both. */
  readonly base64: (from: number, to: number, end: number) => void;
  /** Writes 64 hex digits at `to`: the hash of a message that its caller padded to whole blocks. */
  readonly sha256: (from: number, end: number, to: number) => void;
  /** Overwrites `[from, end)` with zeros, in whole vectors: up to 15 bytes more. */
  readonly wipe: (from: number, end: number) => void;
};
