/** The Key supply message (Kq-1 §8.1.1, Table 1), written from bytes. */
import { hash } from "node:crypto";
import { Fault } from "../../base/errors.ts";
import type { BlockFacts, QkdKey } from "../../port/key.ts";
import type { ModulePair } from "../../port/module.ts";
import { base64Length, writeBase64, writeShort } from "./base64.ts";
import { engine, place, scratch } from "./engine.ts";
import { EpochNames, type PairOf } from "./epoch-names.ts";
import { writeHeader } from "./frame.ts";
import { command, extension, header, parameter } from "./names.ts";

/** The end of the year 9999, ms: RFC 3339 has four digits for a year; a module may say anything. */
const latestDate = 253_402_300_799_999;

/** Bytes of the members that change from key to key, beside `key` itself, at their longest. */
const otherMembers = 512;
const idLength = 36;
const digestLength = 64;
/** Longest key that is one block of SHA-256, with its padding, bytes. */
const longestShort = 55;
const shaBlock = 64;

/** Where in the engine's memory a short key is hashed, and its message is put together. */
const keyAt = place.small;
const imageAt = keyAt + 2 * shaBlock;

/** The members of a message that are the same for all keys of one block and length. */
interface Said {
  readonly block: BlockFacts;
  readonly bits: number;
  /** From the header to the opening quote of key_ID. */
  readonly head: Buffer;
  /** From the end of key_ID to the digest. */
  readonly middle: Buffer;
  /** From the digest to the opening quote of `key`. */
  readonly rest: Buffer;
}

/** Whose message the engine's memory has, all but what changes from key to key. */
let owner: { readonly writer: SupplyWriter; readonly said: Said } | undefined;

/** Writes the Key supply messages of one module. */
export class SupplyWriter {
  readonly #names: EpochNames;
  readonly #hashed: boolean;
  /** Where the names of this epoch's modules stand in a message; epochs come one after the other. */
  #head: { readonly epoch: string; readonly bytes: Buffer } | undefined;
  #said: Said | undefined;

  /** @param hashed whether messages have a `hash_value` (optional in Table 1) */
  constructor(moduleId: string, matchingModuleId: string, hashed = true, pairOf?: PairOf) {
    this.#names = new EpochNames({ moduleId, matchingModuleId }, pairOf);
    this.#hashed = hashed;
  }

  /** Bytes that the message with this key takes at most, header included. */
  bound(key: QkdKey): number {
    return this.#about(key).head.length + otherMembers + base64Length(key.byteLength);
  }

  /**
   * Writes header and payload at `at`; `target` has room for {@link bound}.
   * @returns the offset after the message
   * @throws Fault `kq1.message` if the payload is longer than Annex A's Length can say
   */
  write(target: Buffer, at: number, messageId: number, key: QkdKey): number {
    const said = this.#about(key);
    if (key.sha256 === undefined && key.byteLength <= longestShort) {
      return this.#writeShort(target, at, messageId, key, said);
    }
    let out = at + said.head.copy(target, at);
    out += target.write(key.id, out, "latin1");
    out += said.middle.copy(target, out);
    if (this.#hashed) out += target.write(digestOf(key), out, "latin1");
    out += said.rest.copy(target, out);
    out = close(target, writeBase64(key.expose(), target, out));
    const length = out - at - header.length;
    if (length > header.maxPayload) {
      target.fill(0, at, out);
      throw new Fault("kq1.message", "key too long for one message", {
        key_ID: key.id,
        bits: key.bits,
        payload: length,
        limit: header.maxPayload,
      });
    }
    writeHeader(target, at, messageId, command.keySupply, length);
    return out;
  }

  /**
   * Puts the message of a short key together in the engine's memory, where most of it still is from
   * the key before, and copies it as a whole: each single step costs more than its bytes.
   */
  #writeShort(target: Buffer, at: number, messageId: number, key: QkdKey, said: Said): number {
    const { id, byteLength } = key;
    const idAt = imageAt + said.head.length;
    const digestAt = idAt + idLength + said.middle.length;
    const restAt = digestAt + (this.#hashed ? digestLength : 0);
    const base64At = restAt + said.rest.length;
    const end = base64At + base64Length(byteLength) + 2;
    if (owner === undefined || owner.writer !== this || owner.said !== said) {
      this.#layOut(key, said, restAt);
      writeHeader(scratch, imageAt, 0, command.keySupply, end - imageAt - header.length);
      owner = { writer: this, said };
    }
    scratch[imageAt + 2] = messageId >>> 24;
    scratch[imageAt + 3] = messageId >>> 16;
    scratch[imageAt + 4] = messageId >>> 8;
    scratch[imageAt + 5] = messageId;
    for (let i = 0; i < idLength; i++) scratch[idAt + i] = id.charCodeAt(i);
    const keyEnd = keyAt + byteLength;
    key.copyTo(scratch, keyAt);
    if (this.#hashed) engine.sha256(keyAt, keyAt + shaBlock, digestAt);
    close(scratch, writeShort(scratch, keyAt, keyEnd, scratch, base64At));
    scratch.copy(target, at, imageAt, end);
    for (let i = keyAt; i < keyEnd; i++) scratch[i] = 0;
    engine.wipe(base64At, end);
    return at + end - imageAt;
  }

  /** What does not change, and the padding of a key of this length (FIPS 180-4 §5.1.1). */
  #layOut({ byteLength }: QkdKey, said: Said, restAt: number): void {
    said.head.copy(scratch, imageAt);
    said.middle.copy(scratch, imageAt + said.head.length + idLength);
    said.rest.copy(scratch, restAt);
    scratch.fill(0, keyAt, keyAt + shaBlock);
    scratch[keyAt + byteLength] = 0x80;
    scratch.writeUInt32BE(byteLength * 8, keyAt + shaBlock - 4);
  }

  #about({ block, bits }: QkdKey): Said {
    // Many keys of one block come in a row.
    if (this.#said?.block !== block || this.#said.bits !== bits) {
      this.#said = describe(block, bits, this.#hashed, this.#headOf(block.ref.epoch));
    }
    return this.#said;
  }

  #headOf(epoch: string): Buffer {
    if (this.#head?.epoch !== epoch) {
      this.#head = { epoch, bytes: headOf(this.#names.of(epoch)) };
    }
    return this.#head.bytes;
  }
}

function headOf({ moduleId, matchingModuleId }: ModulePair): Buffer {
  const names = {
    [parameter.moduleId]: moduleId,
    ...(matchingModuleId !== "" && { [parameter.matchingModuleId]: matchingModuleId }),
  };
  const open = JSON.stringify(names).slice(0, -1);
  return Buffer.from(`${"\0".repeat(header.length)}${open},"${parameter.keyId}":"`, "utf8");
}

/** Ends the message. @returns the offset after it */
function close(target: Buffer, at: number): number {
  // "}
  target[at] = 0x22;
  target[at + 1] = 0x7d;
  return at + 2;
}

function digestOf(key: QkdKey): string {
  return key.sha256?.toString("hex") ?? hash("sha256", key.expose(), "hex");
}

/** Nothing in it is secret. */
function describe(block: BlockFacts, bits: number, hashed: boolean, head: Buffer): Said {
  const { qber, generatedAt, ref } = block;
  const time =
    generatedAt !== undefined && generatedAt <= latestDate
      ? `,"${parameter.generatedAt}":"${new Date(generatedAt).toISOString()}"`
      : "";
  const measured = qber === undefined ? "" : `{"${extension.qber}":${qber}},`;
  const numbered = `{"${extension.sequence}":${ref.number}}]`;
  const [hashOpen, hashClose] = hashed ? [`,"${parameter.hash}":"sha-256:`, `"`] : ["", ""];
  return {
    block,
    bits,
    head,
    middle: Buffer.from(`","${parameter.keyLength}":${bits}${time}${hashOpen}`, "latin1"),
    rest: Buffer.from(
      `${hashClose},"${parameter.extension}":[${measured}${numbered},"${parameter.key}":"`,
      "latin1",
    ),
  };
}
