/**
 * What one frame brings: a message, or a part of one that did not fit. Parts come one after the other under one
 * MessageID, all but the last with `{"more": true}` in `extension`.
 */
import { Fault } from "../../base/errors.ts";
import { checkMessage } from "./check.ts";
import { badMessage } from "./fault.ts";
import type { AnyFields, CkExtension, CkMessage } from "./messages.ts";
import { extension as known, limits } from "./names.ts";
import type { MessageType } from "./table.ts";

export interface CkPart {
  /** Not checked as a whole yet. */
  readonly fields: AnyFields;
  readonly more: boolean;
  /** Bytes on the wire. */
  readonly bytes: number;
}

/** Takes the mark of a part out of its extensions. */
export function partOf(fields: AnyFields, bytes: number): CkPart {
  const extensions = (fields.extension ?? []) as readonly CkExtension[];
  const isMark = (one: CkExtension) => Object.hasOwn(one, known.more);
  const more = extensions.some((one) => isMark(one) && one[known.more] === true);
  const { extension: _, ...others } = fields;
  const left = extensions.filter((one) => !isMark(one));
  return { fields: { ...others, ...(left.length > 0 && { extension: left }) }, more, bytes };
}

interface Series {
  readonly fields: AnyFields;
  readonly since: number;
  keyIds: string[];
  extension: CkExtension[];
  parts: number;
  bytes: number;
}

/** Puts parts together. Holds a bounded number of them. */
export class Parts {
  readonly #series = new Map<number, Series>();

  /** When the oldest message that is not complete began, ms; undefined if all are complete. */
  get since(): number | undefined {
    return this.#series.values().next().value?.since;
  }

  /**
   * @param now monotonic ms
   * @returns the message once it is complete
   * @throws Fault `ck.message`; the parts of that message are forgotten then
   */
  add(messageId: number, part: CkPart, now: number): CkMessage | undefined {
    const before = this.#series.get(messageId);
    if (before === undefined && !part.more) return complete(part.fields);
    const { type } = part.fields;
    try {
      const series = before ?? this.#begin(messageId, part.fields, now);
      if (series.fields.type !== type) throw badMessage(type, "goes on as another one");
      series.parts++;
      series.bytes += part.bytes;
      series.keyIds = series.keyIds.concat((part.fields.keyIds as string[] | undefined) ?? []);
      const extension = (part.fields.extension ?? []) as readonly CkExtension[];
      series.extension = series.extension.concat(extension);
      this.#checkLength(type, series);
      if (part.more) return undefined;
      this.#series.delete(messageId);
      return complete(joined(series));
    } catch (error) {
      this.#series.delete(messageId);
      throw error;
    }
  }

  /** The rest of it will not be read. */
  forget(messageId: number): void {
    this.#series.delete(messageId);
  }

  #begin(messageId: number, fields: AnyFields, now: number): Series {
    if (this.#series.size >= limits.series) {
      throw new Fault("ck.message", "too many messages of Ck are begun and not complete", {
        limit: limits.series,
      });
    }
    const series = { fields, since: now, keyIds: [], extension: [], parts: 0, bytes: 0 };
    this.#series.set(messageId, series);
    return series;
  }

  #checkLength(type: MessageType, { parts, bytes, keyIds, extension }: Series): void {
    if (parts > limits.parts) throw badMessage(type, "has too many parts", "", limits.parts);
    if (bytes > limits.bytes) throw badMessage(type, "is too long", "", limits.bytes);
    if (keyIds.length > limits.keyIds) {
      throw badMessage(type, "has a list that is too long", "key_ids", limits.keyIds);
    }
    if (extension.length > limits.extensions) {
      throw badMessage(type, "has an array that is too long", "extension", limits.extensions);
    }
  }
}

function joined({ fields, keyIds, extension }: Series): AnyFields {
  const { keyIds: _, extension: __, ...others } = fields;
  return {
    ...others,
    ...(keyIds.length > 0 && { keyIds }),
    ...(extension.length > 0 && { extension }),
  };
}

function complete(fields: AnyFields): CkMessage {
  const message = fields as CkMessage;
  checkMessage(message);
  return message;
}
