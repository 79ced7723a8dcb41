/** The KM that is tried: where it is, what it is shown, and the keys that it gets. */
import { randomBytes, randomUUID } from "node:crypto";

export type Binding = "tcp" | "https";

/** PEM. */
export interface Credentials {
  readonly cert: string;
  readonly key: string;
}

export interface Target {
  readonly host: string;
  readonly port: number;
  readonly binding: Binding;
  /** The name in the KM's certificate. */
  readonly serverName: string;
  /** Undefined: TCP without TLS. */
  readonly tls?: Credentials & { readonly ca: string };
  /** Path of supplies over HTTPS. */
  readonly path: string;
  readonly moduleId: string;
  readonly matchingModuleId: string;
  /** An answer must come within this time, ms. */
  readonly answerMs: number;
  /** Ends the KM and starts it again, with what it had stored; resolves once it listens. */
  readonly restart?: () => Promise<void>;
}

/** A key of the suite: random, and of no use to anybody. */
export interface TestKey {
  readonly id: string;
  readonly bits: number;
  readonly bytes: Buffer;
}

/** Bits after the end of the key are 0. */
export function newKey(bits = 256): TestKey {
  const bytes = randomBytes(Math.ceil(bits / 8));
  const spare = bytes.length * 8 - bits;
  const last = bytes.length - 1;
  if (spare > 0) bytes[last] = (bytes[last] as number) & (0xff << spare);
  // A UUID of version 8, as a node's are.
  const id = randomUUID().replace(/^(.{14})4/, "$18");
  return { id, bits, bytes };
}

/** The same ID with one bit of the key changed. @param bit counted from the first */
export function changed(key: TestKey, bit = 0): TestKey {
  const bytes = Buffer.from(key.bytes);
  bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (0x80 >> (bit & 7));
  return { ...key, bytes };
}
