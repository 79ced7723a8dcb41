/** Ck over TCP (Q.4164 Appendix I): the header of 10 bytes, and JSON. */
import type { Fault } from "../../base/errors.ts";
import { writeHeader } from "../kq1/frame.ts";
import { header } from "../kq1/names.ts";
import { stamp, timeOf } from "../kq2/members.ts";
import { checkMessage } from "./check.ts";
import { badMessage } from "./fault.ts";
import type { AnyFields, CkExtension, CkMessage } from "./messages.ts";
import { extension as known, limits, success } from "./names.ts";
import { type CkPart, partOf } from "./part.ts";
import { parseStrict } from "./strict-json.ts";
import {
  type FieldKind,
  type FieldName,
  fieldOf,
  type MessageType,
  rowsOf,
  specOf,
} from "./table.ts";

/**
 * Frames of a message: one, or several if a list of key IDs or of extensions does not fit.
 * @param messageId 32 bits
 * @throws Fault `ck.message` if it is not as the table says, or longer than a message may be as a whole
 */
export function encodeFrames(message: CkMessage, messageId: number): Buffer[] {
  checkMessage(message);
  return payloadsOf(message).map((payload) => {
    const frame = Buffer.allocUnsafe(header.length + payload.length);
    writeHeader(frame, 0, messageId, specOf[message.type].code, payload.length);
    payload.copy(frame, header.length);
    return frame;
  });
}

function payloadsOf(message: CkMessage): Buffer[] {
  const whole = Buffer.from(jsonOf(message));
  const { type } = message;
  if (whole.length > limits.bytes) throw badMessage(type, "is too long", "", limits.bytes);
  return whole.length <= header.maxPayload ? [whole] : cut(message);
}

/** Fills frames with what can be cut, in order: key IDs, then extensions. */
function cut(message: CkMessage): Buffer[] {
  const {
    keyIds = [],
    extension = [],
    ...rest
  } = message as AnyFields & {
    readonly keyIds?: readonly string[];
    readonly extension?: readonly CkExtension[];
  };
  const items = [
    ...keyIds.map((one) => ({ name: "keyIds", one, bytes: JSON.stringify(keyObject(one)) })),
    ...extension.map((one) => ({ name: "extension", one, bytes: JSON.stringify(one) })),
  ].map(({ bytes, ...item }) => ({ ...item, length: Buffer.byteLength(bytes) + 1 }));
  const mark = { [known.more]: true };
  // With both lists there and the mark in one of them.
  const around = Buffer.byteLength(jsonOf({ ...rest, keyIds: [], extension: [mark] }, true)) + 1;
  const parts: (typeof items)[] = [[]];
  let room = header.maxPayload - around;
  for (const item of items) {
    if (item.length > room) {
      parts.push([]);
      room = header.maxPayload - around;
      if (item.length > room) throw badMessage(message.type, "does not fit a frame");
    }
    parts.at(-1)?.push(item);
    room -= item.length;
  }
  if (parts.length > limits.parts) {
    throw badMessage(message.type, "has too many parts", "", limits.parts);
  }
  return parts.map((part, i) => {
    const of = (name: string) => part.filter((item) => item.name === name).map(({ one }) => one);
    const marks = i < parts.length - 1 ? [mark] : [];
    const [ids, extensions] = [of("keyIds"), [...of("extension"), ...marks]];
    const lists = {
      ...(ids.length > 0 && { keyIds: ids }),
      ...(extensions.length > 0 && { extension: extensions }),
    };
    return Buffer.from(jsonOf({ ...rest, ...lists }));
  });
}

/** @param all also lists that a message of its type does not have */
function jsonOf(fields: AnyFields, all = false): string {
  const members: Record<string, unknown> = {};
  for (const [name] of rowsOf(fields.type)) {
    const value = fields[name];
    if (value !== undefined) members[fieldOf[name].tcp] = written(fieldOf[name].kind, value);
  }
  if (all) members[fieldOf.keyIds.tcp] ??= [];
  return JSON.stringify(members);
}

function written(kind: FieldKind, value: unknown): unknown {
  if (kind === "keyIds") return (value as readonly string[]).map(keyObject);
  return kind === "time" ? stamp(value as number) : value;
}

const keyId = "key_id";
const keyObject = (id: string) => ({ [keyId]: id });

/**
 * Reads what one frame has. Members that are not of the message are not looked at; `null` and an empty text are
 * "not given".
 * @throws Fault `ck.message`, which quotes nothing
 */
export function decodePayload(type: MessageType, payload: Buffer): CkPart {
  const members = parseStrict(payload, (what, field) => badMessage(type, what, field));
  const fields: { -readonly [F in FieldName]?: unknown } = {};
  for (const [name, { is }] of rowsOf(type)) {
    const { tcp, kind } = fieldOf[name];
    const value = Object.hasOwn(members, tcp) ? members[tcp] : undefined;
    if (value === undefined || value === null || value === "") continue;
    const read = readers[kind](value, (what) => badMessage(type, what, tcp));
    // An empty list that may be missing is one that is.
    const isNone = read === undefined || (Array.isArray(read) && read.length === 0);
    if (!isNone || is === "M") fields[name] = read;
  }
  return partOf({ type, ...fields }, payload.length);
}

type Bad = (what: string) => Fault;
const asIs = (value: unknown) => value;
const list = (value: unknown, bad: Bad) => {
  if (typeof value === "string") return [value];
  if (!Array.isArray(value)) throw bad("has a member that is no list");
  return value;
};

/** What the draft gives two types for is read as either. Values are checked later, in `check.ts`. */
const readers: Readonly<Record<FieldKind, (value: unknown, bad: Bad) => unknown>> = {
  id: asIs,
  ids: list,
  keyIds: (value, bad) => list(value, bad).map((one) => idOf(one, bad)),
  number: asIs,
  response(value, bad) {
    if (typeof value === "string") return responseOf(value);
    if (!Number.isSafeInteger(value)) throw bad("has a response that is neither text nor number");
    return value === 0 ? success : `result_code ${value}`;
  },
  extension(value, bad) {
    const objects = list(value, bad);
    for (const one of objects) {
      if (typeof one !== "object" || one === null || Array.isArray(one)) {
        throw bad("has an extension that is no object");
      }
    }
    return objects;
  },
  time(value, bad) {
    const ms = timeOf(value);
    if (Number.isNaN(ms)) throw bad("has a time that is not RFC 3339 in UTC");
    return ms;
  },
  flag: (value) => (value === false ? undefined : value),
};

function idOf(one: unknown, bad: Bad): unknown {
  if (typeof one !== "object" || one === null) return one;
  if (!Object.hasOwn(one, keyId)) throw bad("has a key without its ID");
  return (one as Readonly<Record<string, unknown>>)[keyId];
}

/** The draft gives no words: success has several spellings, and all else is a reason. */
export function responseOf(text: string): string {
  return /^(success|ok)$/i.test(text) ? success : text;
}
