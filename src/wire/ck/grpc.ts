/** Ck over gRPC (Q.4164 Appendix II, and ours): protobuf (proto3) by the table, both ways. */
import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { Fault } from "../../base/errors.ts";
import { stamp, timeOf } from "../kq2/members.ts";
import { checkMessage } from "./check.ts";
import { badMessage } from "./fault.ts";
import type { AnyFields, CkMessage } from "./messages.ts";
import { limits, success } from "./names.ts";
import { parseStrict } from "./strict-json.ts";
import {
  type FieldKind,
  type FieldName,
  fieldOf,
  type MessageType,
  messageTypes,
  type Row,
  rowsOf,
  specOf,
} from "./table.ts";

/** `result_code`, by the draft's example. */
const resultCode = { ok: 0, ng: 1 } as const;
/** Bytes of an envelope around its message, at most. */
const around = 16;
/** Number of the envelope's own field. */
const messageIdNo = 1;

/** @throws Fault `ck.message` if it is not as the table says, or too long */
export function encodeMessage(message: CkMessage): Uint8Array {
  checkMessage(message);
  const bytes = writeFields(message, new BinaryWriter()).finish();
  if (bytes.length > limits.bytes) throw badMessage(message.type, "is too long", "", limits.bytes);
  return bytes;
}

/** What the stream carries. @param messageId 32 bits @throws Fault `ck.message` */
export function encodeEnvelope(message: CkMessage, messageId: number): Uint8Array {
  const bytes = encodeMessage(message);
  return new BinaryWriter()
    .uint32((messageIdNo << 3) | WireType.Varint)
    .uint32(messageId)
    .uint32((specOf[message.type].no << 3) | WireType.LengthDelimited)
    .bytes(bytes)
    .finish();
}

function writeFields(message: AnyFields, writer: BinaryWriter): BinaryWriter {
  const out: Field[] = [];
  for (const [name, row] of rowsOf(message.type)) {
    const value = message[name];
    if (value !== undefined) out.push(...written[fieldOf[name].kind](row, value));
  }
  // In the order of their numbers, as all writers of protobuf do it.
  for (const [no, value] of out.sort(([a], [b]) => a - b)) {
    if (typeof value === "string") {
      writer.uint32((no << 3) | WireType.LengthDelimited).string(value);
    } else {
      writer.uint32((no << 3) | WireType.Varint).uint32(value);
    }
  }
  return writer;
}

/** Its number, and what is in it. */
type Field = readonly [number, string | number];
const texts = ({ no }: Row, value: unknown): Field[] =>
  (value as readonly string[]).map((one) => [no, one]);

const written: Readonly<Record<FieldKind, (row: Row, value: unknown) => readonly Field[]>> = {
  id: ({ no }, value) => [[no, value as string]],
  ids: texts,
  keyIds: texts,
  number: ({ no }, value) => [[no, value as number]],
  response({ no, textNo = 0 }, value) {
    // 0 is what a field has that is not there (proto3).
    if (value === success) return [];
    return [
      [no, resultCode.ng],
      [textNo, value as string],
    ];
  },
  extension: ({ no }, value) =>
    (value as readonly object[]).map((one) => [no, JSON.stringify(one)] as const),
  time: ({ no }, value) => [[no, stamp(value as number)]],
  flag: ({ no }, value) => (value === true ? [[no, 1]] : []),
};

/**
 * Fields that are not of the message are passed over. A field that may be there once and is there twice is
 * refused, although protobuf takes the last one: no writer makes it.
 * @throws Fault `ck.message`, which quotes nothing
 */
export function decodeMessage(type: MessageType, bytes: Uint8Array): CkMessage {
  const bad: Bad = (what, field, limit) => badMessage(type, what, field, limit);
  if (bytes.length > limits.bytes) throw bad("is too long", "", limits.bytes);
  const found: Found = new Map();
  eachField(bytes, bad, (no, wire, reader) => {
    const row = rowOfNumber(type, no);
    if (row === undefined) return skip(reader, wire, no, bad);
    const wanted = wireOf(row, no);
    if (wire !== wanted) throw bad("has a field of another type", row.label);
    const values = found.get(no) ?? [];
    found.set(no, values);
    if (values.length >= row.most) {
      throw bad(
        row.most === 1 ? "has a field twice" : "has a list that is too long",
        row.label,
        row.most,
      );
    }
    values.push(wire === WireType.Varint ? varint(reader) : string(reader, row.label, bad));
  });
  const message = { type, ...fieldsOf(type, found, bad) } as CkMessage;
  checkMessage(message);
  return message;
}

/**
 * @returns undefined if it holds a message that is not known: a later version's
 * @throws Fault `ck.message`; if its MessageID could be read, that is in the facts as `message_id`
 */
export function decodeEnvelope(
  bytes: Uint8Array,
): { readonly messageId: number; readonly message: CkMessage } | undefined {
  let messageId = 0;
  let found: { readonly type: MessageType; readonly bytes: Uint8Array } | undefined;
  const bad: Bad = (what, field, limit) => {
    const facts = { message: "Envelope", ...(field && { field }), ...(limit && { limit }) };
    return new Fault("ck.message", `message of Ck ${what}`, facts);
  };
  if (bytes.length > limits.bytes + around) throw bad("is too long", "", limits.bytes);
  const seen = new Set<number>();
  eachField(bytes, bad, (no, wire, reader) => {
    const type = messageTypes.find((one) => specOf[one].no === no);
    if (no !== messageIdNo && type === undefined) return skip(reader, wire, no, bad);
    if (seen.has(no)) throw bad("has a field twice", String(no));
    seen.add(no);
    if (wire !== (type === undefined ? WireType.Varint : WireType.LengthDelimited)) {
      throw bad("has a field of another type", String(no));
    }
    if (type === undefined) {
      messageId = varint(reader);
      return;
    }
    if (found !== undefined) throw bad("holds two messages");
    found = { type, bytes: reader.bytes() };
  });
  if (found === undefined) return undefined;
  try {
    return { messageId, message: decodeMessage(found.type, found.bytes) };
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    const { type } = found;
    throw new Fault(error.code, error.message, { ...error.facts, message_id: messageId, type });
  }
}

type Bad = (what: string, field?: string, limit?: number) => Fault;
type Found = Map<number, (number | string)[]>;

/** Goes through the fields; what protobuf's own reader throws is told as ours. */
function eachField(
  bytes: Uint8Array,
  bad: Bad,
  each: (no: number, wire: WireType, reader: BinaryReader) => void,
): void {
  const reader = new BinaryReader(bytes);
  try {
    while (reader.pos < reader.len) {
      const [no, wire] = reader.tag();
      each(no, wire, reader);
      if (reader.pos > reader.len) throw bad("ends in a field");
    }
  } catch (error) {
    throw error instanceof Fault ? error : bad("is no protobuf");
  }
}

function skip(reader: BinaryReader, wire: WireType, no: number, bad: Bad): void {
  // Groups nest, and proto3 has none.
  if (wire === WireType.StartGroup || wire === WireType.EndGroup) throw bad("has a group");
  reader.skip(wire, no);
}

interface Known {
  readonly name: FieldName;
  readonly row: Row;
  readonly kind: FieldKind;
  /** Its name over gRPC. */
  readonly label: string;
  readonly most: number;
}

function rowOfNumber(type: MessageType, no: number): Known | undefined {
  for (const [name, row] of rowsOf(type)) {
    const { kind } = fieldOf[name];
    if (row.no === no) return { name, row, kind, label: row.grpc, most: mostOf(kind) };
    if (row.textNo === no) return { name, row, kind, label: "error_message", most: 1 };
  }
  return undefined;
}

function mostOf(kind: FieldKind): number {
  if (kind === "ids") return limits.kmas;
  if (kind === "keyIds") return limits.keyIds;
  return kind === "extension" ? limits.extensions : 1;
}

function wireOf({ kind, row }: Known, no: number): WireType {
  const isNumber = kind === "number" || kind === "flag" || (kind === "response" && no === row.no);
  return isNumber ? WireType.Varint : WireType.LengthDelimited;
}

/** As a whole number; one beyond 2^53 is none that is used here. */
function varint(reader: BinaryReader): number {
  return Number(reader.int64());
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function string(reader: BinaryReader, label: string, bad: Bad): string {
  const bytes = reader.bytes();
  try {
    return utf8.decode(bytes);
  } catch {
    throw bad("has a text that is not UTF-8", label);
  }
}

function fieldsOf(type: MessageType, found: Found, bad: Bad): Partial<Record<FieldName, unknown>> {
  const fields: Partial<Record<FieldName, unknown>> = {};
  for (const [name, row] of rowsOf(type)) {
    const values = found.get(row.no) ?? [];
    const value = read[fieldOf[name].kind](values, row, found, bad);
    // A list that is not there is an empty one where the message must have it.
    if (value === undefined && row.is === "M" && fieldOf[name].kind === "ids") fields[name] = [];
    else if (value !== undefined) fields[name] = value;
  }
  return fields;
}

const first = (values: readonly unknown[]) => (values[0] === "" ? undefined : values[0]);
const some = (values: readonly unknown[]) => (values.length > 0 ? values : undefined);

type Read = (values: readonly unknown[], row: Row, found: Found, bad: Bad) => unknown;
const read: Readonly<Record<FieldKind, Read>> = {
  id: first,
  ids: some,
  keyIds: some,
  number: (values) => (values[0] === 0 ? undefined : values[0]),
  response(values, { textNo = 0 }, found) {
    if ((values[0] ?? resultCode.ok) === resultCode.ok) return success;
    const told = found.get(textNo)?.[0] ?? "";
    // What says that it failed has failed, whatever its text says.
    return told === "" || told === success ? `result_code ${values[0]}` : told;
  },
  extension(values, { grpc }, _, bad) {
    return some(
      values.map((one) => parseStrict(Buffer.from(one as string), (what) => bad(what, grpc))),
    );
  },
  time(values, { grpc }, _, bad) {
    const [value] = values;
    if (value === undefined || value === "") return undefined;
    const ms = timeOf(value);
    if (Number.isNaN(ms)) throw bad("has a time that is not RFC 3339 in UTC", grpc);
    return ms;
  },
  flag: (values) => (values[0] === undefined || values[0] === 0 ? undefined : true),
};
