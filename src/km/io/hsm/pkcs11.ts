/**
 * Calls of a PKCS#11 library (OASIS PKCS #11 2.40). It is loaded into this process, and may do to it what it
 * likes: only `hsm-child.ts` has it. For 64-bit Linux, where every argument and CK_ULONG has 8 bytes and the
 * structures have the compiler's own alignment.
 */
import koffi from "koffi";
import { Fault } from "../../../base/errors.ts";

/** Place of a function in CK_FUNCTION_LIST, and how many arguments it has. */
const functions = {
  C_Initialize: [0, 1],
  C_Finalize: [1, 1],
  C_GetSlotList: [4, 3],
  C_GetTokenInfo: [6, 2],
  C_OpenSession: [12, 5],
  C_Login: [18, 4],
  C_GetAttributeValue: [24, 4],
  C_FindObjectsInit: [26, 3],
  C_FindObjects: [27, 4],
  C_FindObjectsFinal: [28, 1],
  C_EncryptInit: [29, 3],
  C_Encrypt: [30, 5],
  C_DecryptInit: [33, 3],
  C_Decrypt: [34, 5],
  C_GenerateKey: [58, 5],
  C_GenerateRandom: [64, 3],
} as const;

export type FunctionName = keyof typeof functions;

/** Return values that mean something to a person. */
export const rv = {
  ok: 0n,
  deviceError: 0x30n,
  deviceMemory: 0x31n,
  deviceRemoved: 0x32n,
  mechanismInvalid: 0x70n,
  pinIncorrect: 0xa0n,
  pinInvalid: 0xa1n,
  pinLenRange: 0xa2n,
  pinExpired: 0xa3n,
  pinLocked: 0xa4n,
  tokenNotPresent: 0xe0n,
  tokenWriteProtected: 0xe2n,
  alreadyLoggedIn: 0x100n,
  pinNotInitialized: 0x102n,
  randomNoRng: 0x121n,
} as const;

/** CK_FUNCTION_LIST: CK_VERSION, padding, then pointers. */
const firstFunction = 8;
const arenaBytes = 65_536;

/** Memory that the library gets addresses of: it stays where it is, and is wiped as a whole. */
class Arena {
  readonly #address = BigInt(koffi.alloc("uint8_t", arenaBytes));
  readonly #bytes = Buffer.from(koffi.view(this.#address, arenaBytes));
  #next = 0;

  /** Zeros. */
  take(length: number): { at: bigint; bytes: Buffer } {
    const from = this.#next;
    this.#next += Math.ceil(length / 16) * 16;
    if (this.#next > arenaBytes) throw new Fault("hsm.io", "the token's answers are too long");
    return { at: this.#address + BigInt(from), bytes: this.#bytes.subarray(from, from + length) };
  }

  wipe(): void {
    this.#bytes.fill(0);
    this.#next = 0;
  }
}

/** An attribute of a template: a number, a truth, or text. */
export type Attribute = readonly [type: number, value: number | boolean | string];

export class Pkcs11 {
  readonly arena = new Arena();
  readonly #pointers = new Map<
    FunctionName,
    { at: bigint; proto: ReturnType<typeof koffi.proto> }
  >();

  /** @param module path of the library @throws Fault `hsm.library` */
  constructor(module: string) {
    let list: bigint;
    try {
      const getList = koffi.load(module).func("C_GetFunctionList", "ulong", ["void *"]);
      const { at, bytes } = this.arena.take(8);
      const said = BigInt(getList(at));
      list = bytes.readBigUInt64LE();
      if (said !== rv.ok || list === 0n) throw new Error(`C_GetFunctionList said ${said}`);
    } catch (error) {
      const reason = (error as Error).message.split("\n")[0]?.slice(0, 200) ?? "";
      throw new Fault("hsm.library", "the PKCS#11 library can't be loaded", { module, reason });
    }
    const protos = new Map<number, ReturnType<typeof koffi.proto>>();
    for (const [name, [place, args]] of Object.entries(functions)) {
      const proto = protos.get(args) ?? koffi.proto("ulong", Array(args).fill("uint64_t"));
      protos.set(args, proto);
      const at = BigInt(koffi.decode(list, firstFunction + 8 * place, "uint64_t"));
      if (at !== 0n) this.#pointers.set(name as FunctionName, { at, proto });
    }
  }

  /** @returns what it returned, CKR_… */
  call(name: FunctionName, ...args: readonly (bigint | number)[]): bigint {
    const pointer = this.#pointers.get(name);
    if (pointer === undefined) {
      throw new Fault("hsm.library", "the PKCS#11 library lacks a function", { function: name });
    }
    return BigInt(koffi.call(pointer.at, pointer.proto, ...args.map(BigInt)));
  }

  /** The same, where nothing but success is expected. @throws Fault `hsm.io` */
  must(name: FunctionName, ...args: readonly (bigint | number)[]): void {
    const said = this.call(name, ...args);
    if (said === rv.ok) return;
    throw new Fault("hsm.io", "the token does not do what it is asked", failed(name, said));
  }

  /** CK_ATTRIBUTE array. */
  template(attributes: readonly Attribute[]): { at: bigint; count: number; values: Buffer[] } {
    const array = this.arena.take(24 * attributes.length);
    const values = attributes.map(([type, value], i) => {
      const content = contentOf(value);
      const target = this.arena.take(content.length);
      content.copy(target.bytes);
      array.bytes.writeBigUInt64LE(BigInt(type), i * 24);
      array.bytes.writeBigUInt64LE(target.at, i * 24 + 8);
      array.bytes.writeBigUInt64LE(BigInt(content.length), i * 24 + 16);
      return target.bytes;
    });
    return { at: array.at, count: attributes.length, values };
  }

  /** CK_MECHANISM. */
  mechanism(type: number, parameter?: { at: bigint; bytes: Buffer }): bigint {
    const { at, bytes } = this.arena.take(24);
    bytes.writeBigUInt64LE(BigInt(type), 0);
    bytes.writeBigUInt64LE(parameter?.at ?? 0n, 8);
    bytes.writeBigUInt64LE(BigInt(parameter?.bytes.length ?? 0), 16);
    return at;
  }
}

function contentOf(value: number | boolean | string): Buffer {
  if (typeof value === "string") return Buffer.from(value, "utf8");
  if (typeof value === "boolean") return Buffer.of(value ? 1 : 0);
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

/** Which call failed and how: facts of a fault. */
export function failed(name: FunctionName, said: bigint): { function: string; rv: string } {
  return { function: name, rv: `0x${said.toString(16)}` };
}
