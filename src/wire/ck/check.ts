/** What the values of a message must be, for what is written and for what was read. */
import { isLonger } from "../../base/text-length.ts";
import { badMessage } from "./fault.ts";
import type { AnyFields, CkMessage, CkMessageOf } from "./messages.ts";
import { extension as known, limits, success } from "./names.ts";
import { type FieldKind, fieldOf, type MessageType, type Presence, rowsOf } from "./table.ts";

type Bad = (what: string, limit?: number) => Error;

/** @throws Fault `ck.message` that names the member, its limit and the clause */
export function checkMessage(message: CkMessage): void {
  const values = message as AnyFields;
  const { type } = message;
  for (const [name, row] of rowsOf(type)) {
    const { kind, tcp } = fieldOf[name];
    const value = values[name];
    const bad: Bad = (what, limit) => badMessage(type, what, tcp, limit);
    if (value !== undefined) checks[kind](value, bad);
    else if (isNeeded(row.is, values)) throw bad("lacks a member");
  }
  const { destinationKma, destinationApp } = values;
  const needsOne = rowsOf(type).some(([, { is }]) => is === "either");
  if (needsOne && destinationKma === undefined && destinationApp === undefined) {
    const both = `${fieldOf.destinationKma.tcp} or ${fieldOf.destinationApp.tcp}`;
    throw badMessage(type, "names no destination", both);
  }
  if (type === "allocationRequest" && message.keyIds.length === 0) {
    throw badMessage(type, "has an empty list", fieldOf.keyIds.tcp);
  }
}

function isNeeded(is: Presence, values: AnyFields): boolean {
  return is === "M" || (is === "success" && values.response === success);
}

/**
 * Whether an answer names the destination where it must (Tables 2 and 4): if the request named the application
 * alone. What refuses names none.
 * @throws Fault `ck.message`
 */
export function checkAnswer(request: AnyFields, answer: CkMessage): void {
  if (answer.type !== "nextHopResponse" && answer.type !== "relayRequest") return;
  if (request.destinationKma !== undefined || answer.destinationKma !== undefined) return;
  if (refusalOf(answer) !== undefined) return;
  throw badMessage(answer.type, "lacks a member", fieldOf.destinationKma.tcp);
}

/**
 * The KMAs between source and destination. The draft lets the destination be the last of the list, or not; the
 * source is not for it, and is left out too.
 * @param destination that was asked for, if the answer does not name it
 */
export function transitOf(
  { sourceKma, destinationKma, transitKmas }: CkMessageOf<"relayRequest">,
  destination?: string,
): readonly string[] {
  const end = destinationKma ?? destination;
  const from = sourceKma !== undefined && transitKmas[0] === sourceKma ? 1 : 0;
  const to = end !== undefined && transitKmas.at(-1) === end ? -1 : undefined;
  return transitKmas.slice(from, to);
}

/** Why an answer refuses; undefined if it does not. Some messages have no Response: there an extension says it. */
export function refusalOf(answer: CkMessage): string | undefined {
  const { response, extension } = answer as CkMessageOf<"relayResponse">;
  if (response !== undefined) return response === success ? undefined : response;
  for (const one of extension ?? []) {
    const told = Object.hasOwn(one, known.response) ? one[known.response] : undefined;
    if (typeof told === "string" && told !== success && told.length <= limits.reason) return told;
  }
  return undefined;
}

const checks: Readonly<Record<FieldKind, (value: unknown, bad: Bad) => void>> = {
  id: (value, bad) => checkText(value, limits.id, bad),
  ids: (value, bad) => checkTexts(value, limits.kmas, bad),
  keyIds: (value, bad) => checkTexts(value, limits.keyIds, bad),
  number(value, bad) {
    if (!Number.isSafeInteger(value)) throw bad("has a member that is no whole number");
    if ((value as number) < 1) throw bad("has a number that is too small", 1);
    if ((value as number) > limits.number)
      throw bad("has a number that is too large", limits.number);
  },
  response: (value, bad) => checkText(value, limits.reason, bad),
  extension(value, bad) {
    if (!Array.isArray(value)) throw bad("has a member that is no array");
    if (value.length > limits.extensions) {
      throw bad("has an array that is too long", limits.extensions);
    }
    for (const one of value) checkExtension(one, bad);
  },
  time(value, bad) {
    const good = typeof value === "number" && Number.isInteger(value) && Math.abs(value) < 8.64e15;
    if (!good) throw bad("has a time that no date has");
  },
  flag(value, bad) {
    if (typeof value !== "boolean") throw bad("has a member that is no boolean");
  },
};

function checkText(value: unknown, most: number, bad: Bad): void {
  if (typeof value !== "string") throw bad("has a member that is no text");
  if (value === "") throw bad("has an empty text");
  if (isLonger(value, most)) throw bad("has a text that is too long", most);
  if (/\p{Cc}/u.test(value) || !value.isWellFormed())
    throw bad("has a text with control characters");
}

function checkTexts(value: unknown, most: number, bad: Bad): void {
  if (!Array.isArray(value)) throw bad("has a member that is no list");
  if (value.length > most) throw bad("has a list that is too long", most);
  for (const one of value) checkText(one, limits.id, bad);
}

function checkExtension(one: unknown, bad: Bad): void {
  if (typeof one !== "object" || one === null || Array.isArray(one)) {
    throw bad("has an extension that is no object");
  }
  let text: string;
  try {
    text = JSON.stringify(one);
  } catch {
    throw bad("has an extension that is no JSON");
  }
  if (Buffer.byteLength(text) > limits.extensionBytes) {
    throw bad("has an extension that is too long", limits.extensionBytes);
  }
}

/** A message of which an end can say no more than that it was refused: the answer to a command. */
export function refuse(
  type: MessageType,
  response: string,
  { sessionId, requestId }: { readonly sessionId?: string; readonly requestId?: string } = {},
): CkMessage {
  const why = [{ [known.response]: response }];
  switch (type) {
    case "nextHopRequest":
      return { type: "nextHopResponse", nextKmas: [], extension: why };
    case "relayNotification":
      return { type: "relayRequest", transitKmas: [], extension: why };
    case "relayRequest":
      return { type: "relayResponse", response, ...(requestId !== undefined && { requestId }) };
    case "sessionRequest":
      return { type: "sessionResponse", response };
    case "sessionNotification":
      return {
        type: "sessionNotificationResponse",
        response,
        ...(sessionId !== undefined && { sessionId }),
      };
    case "reservationRequest":
      return { type: "reservationResponse", response };
    case "allocationRequest":
      return { type: "allocationResponse", response };
    case "report":
      return { type: "reportResponse", response };
    default:
      throw badMessage(type, "is an answer, and is not answered");
  }
}
