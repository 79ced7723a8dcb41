/**
 * Writes WebAssembly modules (WebAssembly Core 2.0, with 128-bit SIMD) from instructions: enough of
 * it for a few small loops over bytes, so that they need no compiler and can be read where they run.
 *
 * An expression is the code that leaves its value on the stack.
 */

/** Bytes, nested as they are put together; flattened once, when the module is complete. */
export type Code = readonly (number | Code)[];

function flatten(code: Code, into: number[] = []): number[] {
  for (const part of code) {
    if (typeof part === "number") into.push(part);
    else flatten(part, into);
  }
  return into;
}

/** Unsigned LEB128. */
function u32(value: number): Code {
  const bytes: number[] = [];
  let rest = value >>> 0;
  do {
    const low = rest & 0x7f;
    rest >>>= 7;
    bytes.push(rest === 0 ? low : low | 0x80);
  } while (rest !== 0);
  return bytes;
}

/** Signed LEB128 of a 32-bit value. */
function s32(value: number): Code {
  const bytes: number[] = [];
  let rest = value | 0;
  for (;;) {
    const low = rest & 0x7f;
    rest >>= 7;
    const last = (rest === 0 && (low & 0x40) === 0) || (rest === -1 && (low & 0x40) !== 0);
    bytes.push(last ? low : low | 0x80);
    if (last) return bytes;
  }
}

function sized(content: Code): Code {
  const bytes = flatten(content);
  return [u32(bytes.length), bytes];
}

function list(items: readonly Code[]): Code {
  return [u32(items.length), items];
}

function operator(opcode: number) {
  return (...operands: readonly Code[]): Code => [operands, opcode];
}

/** An instruction on vectors: prefix 0xfd. */
function vector(opcode: number) {
  return (...operands: readonly Code[]): Code => [operands, 0xfd, u32(opcode)];
}

/** Memory access at an address and an offset; unaligned is allowed everywhere. */
function access(opcode: Code) {
  return (address: Code, offset = 0): Code => [address, opcode, 0, u32(offset)];
}

function storing(opcode: Code) {
  return (address: Code, value: Code, offset = 0): Code => [address, value, opcode, 0, u32(offset)];
}

export const get = (local: number): Code => [0x20, u32(local)];
export const set = (local: number, value: Code): Code => [value, 0x21, u32(local)];
export const tee = (local: number, value: Code): Code => [value, 0x22, u32(local)];

export const i32 = {
  const: (value: number): Code => [0x41, s32(value)],
  load: access([0x28]),
  store: storing([0x36]),
  ltU: operator(0x49),
  add: operator(0x6a),
  sub: operator(0x6b),
  and: operator(0x71),
  xor: operator(0x73),
  or: operator(0x72),
  shl: operator(0x74),
  shrU: operator(0x76),
  rotr: operator(0x78),
} as const;

export const v128 = {
  load: access([0xfd, 0x00]),
  store: storing([0xfd, 0x0b]),
  /** 16 bytes, the first in memory first. */
  const: (bytes: Code): Code => [0xfd, 0x0c, bytes],
  and: vector(0x4e),
  or: vector(0x50),
} as const;

export const i8x16 = {
  /** Bytes of two vectors by constant places; 16 to 31 are those of the second. */
  shuffle: (a: Code, b: Code, places: Code): Code => [a, b, 0xfd, 0x0d, places],
  /** Bytes of the first vector by the places in the second; 0 for places above 15. */
  swizzle: vector(0x0e),
  splat: (byte: number): Code => v128.const(Array(16).fill(byte & 0xff)),
  ltU: vector(0x26),
  gtU: vector(0x28),
  add: vector(0x6e),
  subSatU: vector(0x73),
} as const;

export const i16x8 = { mul: vector(0x95), shrU: vector(0x8d) } as const;
export const i32x4 = {
  shrU: vector(0xad),
  splat: (value: number): Code =>
    v128.const([0, 1, 2, 3].flatMap(() => [0, 8, 16, 24].map((by) => (value >>> by) & 0xff))),
} as const;

/** Runs the body again for as long as the condition at its end holds. */
export function repeat(body: readonly Code[], condition: Code): Code {
  return [0x03, 0x40, body, condition, 0x0d, 0x00, 0x0b];
}

/** Runs the body only where the condition holds. */
export function when(condition: Code, body: readonly Code[]): Code {
  return [condition, 0x04, 0x40, body, 0x0b];
}

const type = { i32: 0x7f, v128: 0x7b } as const;

export interface Routine {
  readonly name: string;
  /** Parameters, all i32: locals 0 and up. Nothing is returned. */
  readonly parameters: number;
  /** Locals behind them: first i32, then v128. */
  readonly i32s: number;
  readonly v128s: number;
  readonly body: readonly Code[];
}

/**
 * A module with these routines, over a memory of fixed size that is imported as `env.memory`.
 * @param data what stands at the beginning of the memory
 */
export function assemble(
  routines: readonly Routine[],
  pages: number,
  data: Code,
): Uint8Array<ArrayBuffer> {
  const name = (text: string) => sized([...new TextEncoder().encode(text)]);
  const section = (id: number, content: Code) => [id, sized(content)];
  const memory = [0x02, 0x01, u32(pages), u32(pages)];
  const parameters = (count: number) => list(Array(count).fill([type.i32]));
  const code = routines.map(({ i32s, v128s, body }) => {
    const locals = list([
      [u32(i32s), type.i32],
      [u32(v128s), type.v128],
    ]);
    return sized([locals, body, 0x0b]);
  });
  return new Uint8Array(
    flatten([
      [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
      section(1, list(routines.map((one) => [0x60, parameters(one.parameters), 0]))),
      section(2, list([[name("env"), name("memory"), memory]])),
      section(3, list(routines.map((_, i) => u32(i)))),
      section(7, list(routines.map((one, i) => [name(one.name), 0x00, u32(i)]))),
      section(10, list(code)),
      section(11, list([[0x00, i32.const(0), 0x0b, sized(data)]])),
    ]),
  );
}
