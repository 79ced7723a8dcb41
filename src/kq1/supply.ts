/** The Key supply message (Kq-1 §8.1.1, Table 1), written from bytes. */
import { hash } from "node:crypto";
import { Fault } from "../port/errors.ts";
import type { BlockFacts, QkdKey } from "../port/key.ts";
import { base64Length, writeBase64 } from "./base64.ts";
import { writeHeader } from "./frame.ts";
import { command, extension, header, parameter } from "./names.ts";

/** The end of the year 9999, ms: RFC 3339 has four digits for a year; a module may say anything. */
const latestDate = 253_402_300_799_999;

/** Bytes of the members that change from key to key, beside `key` itself, at their longest. */
const otherMembers = 512;

/** Writes the Key supply messages of one module. */
export class SupplyWriter {
  readonly #head: Buffer;
  #block: BlockFacts | undefined;
  #said = { time: "", rest: "" };

  constructor(moduleId: string, matchingModuleId: string) {
    const names = {
      [parameter.moduleId]: moduleId,
      ...(matchingModuleId !== "" && { [parameter.matchingModuleId]: matchingModuleId }),
    };
    const open = JSON.stringify(names).slice(0, -1);
    this.#head = Buffer.from(`${open},"${parameter.keyId}":"`, "utf8");
  }

  /** From the value of key_ID to the opening quote of `key`: nothing in it is secret. */
  #metadata(key: QkdKey): string {
    // Many keys of one block come in a row.
    if (key.block !== this.#block) {
      this.#block = key.block;
      this.#said = describeBlock(key.block);
    }
    const { time, rest } = this.#said;
    const digest = key.sha256?.toString("hex") ?? hash("sha256", key.expose(), "hex");
    return `${key.id}","${parameter.keyLength}":${key.bits}${time},"${parameter.hash}":"sha-256:${digest}${rest}`;
  }

  /** Bytes that the message with this key takes at most, header included. */
  bound(key: QkdKey): number {
    return header.length + this.#head.length + otherMembers + base64Length(key.byteLength);
  }

  /**
   * Writes header and payload at `at`; `target` has room for {@link bound}.
   * @returns the offset after the message
   * @throws Fault `kq1.message` if the payload is longer than Annex A's Length can say
   */
  write(target: Buffer, at: number, messageId: number, key: QkdKey): number {
    const start = at + header.length;
    let out = start + this.#head.copy(target, start);
    out += target.write(this.#metadata(key), out, "latin1");
    out = writeBase64(key.expose(), target, out);
    // "}
    target[out++] = 0x22;
    target[out++] = 0x7d;
    const length = out - start;
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
}

/** What is said of a block, from `generation_timestamp` on: the same for each of its keys. */
function describeBlock({ qber, generatedAt, ref }: BlockFacts): { time: string; rest: string } {
  const time =
    generatedAt !== undefined && generatedAt <= latestDate
      ? `,"${parameter.generatedAt}":"${new Date(generatedAt).toISOString()}"`
      : "";
  const measured = qber === undefined ? "" : `{"${extension.qber}":${qber}},`;
  const numbered = `{"${extension.sequence}":${ref.number}}]`;
  return { time, rest: `","${parameter.extension}":[${measured}${numbered},"${parameter.key}":"` };
}
