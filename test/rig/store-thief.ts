/**
 * A thief with all files of a key manager's store and its master key: everything that can still be decrypted.
 * Reads the format by itself, as far as it can: what the store's own books say does not matter to it.
 */
import { createSecretKey, type KeyObject } from "node:crypto";
import { groupLength, openGroup } from "../../src/km/io/engine/group.ts";
import {
  masterWrappingKey,
  open,
  WrappingKey,
  wrappedLength,
} from "../../src/km/io/engine/sealing.ts";

const extentMagic = Buffer.from("qkd-km extent 1\n", "latin1");
const stretch = 16_384;
const overwritten = Buffer.alloc(wrappedLength);

export interface Loot {
  readonly link: string;
  /** Numbers of extents that it tries, from 1. */
  readonly extents: number;
}

/** @param files by path. @returns plain bytes, in parts */
export function steal(
  files: ReadonlyMap<string, Buffer>,
  masterKey: Uint8Array,
  { link, extents }: Loot,
): Buffer[] {
  const found: Buffer[] = [];
  const keys: WrappingKey[] = [];
  const master = masterWrappingKey(masterKey);
  for (const [path, bytes] of files) {
    if (!path.endsWith("/store")) continue;
    for (const { id, wrapped } of JSON.parse(bytes.toString()).keys) {
      const key = master.unwrap(Buffer.from(wrapped, "base64"), Buffer.from(`store key ${id}`));
      if (key !== undefined) keys.push(new WrappingKey(id, key));
    }
  }
  const unwrap = (wrapped: Buffer, about: string): KeyObject | undefined => {
    // Of zeros nothing is unwrapped, by whatever key.
    if (wrapped.length < wrappedLength || wrapped.equals(overwritten)) return undefined;
    for (const key of keys) {
      const bytes = key.unwrap(wrapped, Buffer.from(about));
      if (bytes !== undefined) return createSecretKey(bytes);
    }
    return undefined;
  };
  for (const [path, bytes] of files) {
    const segment = /(\d{12})\.seg/.exec(path);
    if (segment !== null) found.push(...segmentOf(bytes, Number(segment[1]), unwrap));
    if (!path.endsWith(".vol")) continue;
    for (let at = bytes.indexOf(extentMagic); at >= 0; at = bytes.indexOf(extentMagic, at + 1)) {
      const length = bytes.length >= at + 100 ? bytes.readUInt32BE(at + 96) : 0;
      for (let number = 1; number <= extents; number++) {
        const about = JSON.stringify(["extent", link, number, length]);
        const key = unwrap(bytes.subarray(at + 32, at + 32 + wrappedLength), about);
        if (key === undefined) continue;
        found.push(...stretches(bytes, at + 128, length, key, about));
        break;
      }
    }
  }
  return found;
}

type Unwrap = (wrapped: Buffer, about: string) => KeyObject | undefined;

function segmentOf(bytes: Buffer, number: number, unwrap: Unwrap): Buffer[] {
  const key = unwrap(bytes.subarray(32, 32 + wrappedLength), `segment ${number}`);
  const found: Buffer[] = [];
  if (key === undefined) return found;
  for (let at = 512; at < bytes.length; ) {
    const length = groupLength(bytes.subarray(at));
    if (length === undefined || at + length > bytes.length) break;
    const group = openGroup(bytes.subarray(at, at + length), key);
    if (group?.plain !== undefined) found.push(group.plain);
    at += length;
  }
  return found;
}

function stretches(
  bytes: Buffer,
  from: number,
  length: number,
  key: KeyObject,
  about: string,
): Buffer[] {
  const plain = Buffer.alloc(length);
  let at = from;
  for (let i = 0; i * stretch < length; i++) {
    const size = Math.min(stretch, length - i * stretch);
    const tag = bytes.subarray(at + size, at + size + 16);
    const target = plain.subarray(i * stretch, i * stretch + size);
    const sealed = bytes.subarray(at, at + size);
    if (tag.length === 16) open(key, i, sealed, tag, Buffer.from(about), target);
    at += size + 16;
  }
  return [plain];
}
