/**
 * Listens to a TLS 1.3 connection without taking part: bytes pass as they are, and are read with the secrets that one end
 * writes down (`--tls-keylog` of Node.js). So also what is bound to its TLS session can be seen on the wire.
 */
import { createDecipheriv, createHmac } from "node:crypto";
import { readFileSync } from "node:fs";

const suites: Readonly<Record<number, Suite>> = {
  4865: { cipher: "aes-128-gcm", hash: "sha256", keyBytes: 16 },
  4866: { cipher: "aes-256-gcm", hash: "sha384", keyBytes: 32 },
  4867: { cipher: "chacha20-poly1305", hash: "sha256", keyBytes: 32 },
};
interface Suite {
  readonly cipher: "aes-128-gcm" | "aes-256-gcm" | "chacha20-poly1305";
  readonly hash: string;
  readonly keyBytes: number;
}
const content = { handshake: 22, data: 23 } as const;
const tagBytes = 16;
const labels = { client: "CLIENT_TRAFFIC_SECRET_0", server: "SERVER_TRAFFIC_SECRET_0" } as const;
type Side = keyof typeof labels;

interface Keys {
  readonly suite: Suite;
  readonly key: Buffer;
  readonly iv: Buffer;
}

interface Held {
  readonly side: Side;
  /** When it passed, in the count of all that was seen. */
  readonly at: number;
  readonly record: Buffer;
}

/** One connection. */
export class TlsTap {
  readonly #keylog: string;
  readonly #now: () => number;
  readonly #onData: (side: Side, data: Buffer, at: number) => void;
  readonly #rest = { client: Buffer.alloc(0), server: Buffer.alloc(0) };
  readonly #keys: Partial<Record<Side, Keys>> = {};
  readonly #count = { client: 0, server: 0 };
  #held: Held[] = [];
  #random: string | undefined;
  #suite: Suite | undefined;

  /** @param keylog file, of either end @param onData what one side said, and when that passed */
  constructor(
    keylog: string,
    now: () => number,
    onData: (side: Side, data: Buffer, at: number) => void,
  ) {
    this.#keylog = keylog;
    this.#now = now;
    this.#onData = onData;
  }

  push(side: Side, chunk: Buffer): void {
    this.#rest[side] = Buffer.concat([this.#rest[side], chunk]);
    for (;;) {
      const rest = this.#rest[side];
      if (rest.length < 5 || rest.length < 5 + rest.readUInt16BE(3)) break;
      const length = 5 + rest.readUInt16BE(3);
      this.#record(side, rest.subarray(0, length));
      this.#rest[side] = rest.subarray(length);
    }
    this.read();
  }

  /** Reads what has passed, as far as its secrets are there. */
  read(): void {
    while (this.#held.length > 0) {
      const [first] = this.#held;
      if (first === undefined || !this.#open(first)) return;
      this.#held = this.#held.slice(1);
    }
  }

  #record(side: Side, record: Buffer): void {
    const at = this.#now();
    if (record[0] === content.data) this.#held.push({ side, at, record });
    if (record[0] !== content.handshake) return;
    // ClientHello and ServerHello have 4 bytes of header, 2 of version and 32 drawn ones.
    if (record[5] === 1) this.#random = record.toString("hex", 11, 43);
    const session = record[43] ?? 0;
    if (record[5] === 2) this.#suite = suites[record.readUInt16BE(44 + session)];
  }

  /** @returns false if the secret is not written down yet */
  #open({ side, at, record }: Held): boolean {
    const keys = this.#keysOf(side);
    if (keys === undefined) return false;
    const text = opened(keys, this.#count[side], record);
    // Before the first: what is left of the handshake, under another key.
    if (text === undefined) {
      if (this.#count[side] > 0) throw new Error(`a record of the ${side} cannot be read`);
      return true;
    }
    this.#count[side]++;
    const end = text.findLastIndex((byte) => byte !== 0);
    if (text[end] === content.data) this.#onData(side, text.subarray(0, end), at);
    return true;
  }

  #keysOf(side: Side): Keys | undefined {
    const suite = this.#suite;
    if (this.#keys[side] !== undefined || suite === undefined) return this.#keys[side];
    const wanted = `${labels[side]} ${this.#random} `;
    const line = readFileSync(this.#keylog, "latin1")
      .split("\n")
      .find((one) => one.startsWith(wanted));
    if (line === undefined) return undefined;
    const secret = Buffer.from(line.slice(wanted.length).trim(), "hex");
    const expand = (label: string, bytes: number) => expandLabel(suite.hash, secret, label, bytes);
    this.#keys[side] = { suite, key: expand("key", suite.keyBytes), iv: expand("iv", 12) };
    return this.#keys[side];
  }
}

/** HKDF-Expand-Label of RFC 8446 §7.1, of one block and without context. */
function expandLabel(hash: string, secret: Buffer, label: string, bytes: number): Buffer {
  const name = Buffer.from(`tls13 ${label}`);
  const info = Buffer.from([0, bytes, name.length, ...name, 0, 1]);
  return createHmac(hash, secret).update(info).digest().subarray(0, bytes);
}

/** @returns undefined if it is not under this key */
function opened({ suite, key, iv }: Keys, count: number, record: Buffer): Buffer | undefined {
  const nonce = Buffer.from(iv);
  nonce.writeUInt32BE((nonce.readUInt32BE(8) ^ count) >>> 0, 8);
  const options = { authTagLength: tagBytes };
  const decipher = createDecipheriv(suite.cipher as "aes-256-gcm", key, nonce, options);
  decipher.setAAD(record.subarray(0, 5), { plaintextLength: record.length - 5 - tagBytes });
  decipher.setAuthTag(record.subarray(record.length - tagBytes));
  try {
    const text = decipher.update(record.subarray(5, record.length - tagBytes));
    decipher.final();
    return text;
  } catch {
    return undefined;
  }
}
