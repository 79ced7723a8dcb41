/** Writes the Response to key supply message (Kq-1 §8.1.2, Table 2), as short as it can be said. */
import { writeHeader } from "./frame.ts";
import { command, header, parameter, type Reason, reasons } from "./names.ts";
import { uuidText, writeUuid } from "./uuid.ts";

const open = Buffer.from(`{"${parameter.keyId}":"`);

/** What a key manager may say of a key: all but the node's own names for answers that it does not know. */
export type SupplyResponse = Exclude<Reason, "other" | "unclear">;

interface Closing {
  /** What stands behind the ID; and all of it where there is no ID. */
  readonly named: Buffer;
  readonly nameless: Buffer;
}

const closings = new Map<string, Closing>();
for (const reason of Object.keys(reasons)) {
  const response = `"${parameter.response}":"${reason}"}`;
  const named = Buffer.from(`",${response}`);
  closings.set(reason, { named, nameless: Buffer.from(`{${response}`) });
}

/** Bytes of an answer at its longest, header included. */
export const longestAnswer =
  header.length +
  open.length +
  uuidText +
  Math.max(...Array.from(closings.values(), ({ named }) => named.length));

/**
 * Writes the payload.
 * @param ids has the 16 bytes of the QKD-key ID at `from`; undefined in a refusal of what names no key
 * @returns the offset after it
 */
export function writeSupplyAnswer(
  target: Buffer,
  at: number,
  ids: Uint8Array | undefined,
  from: number,
  response: SupplyResponse,
): number {
  const { named, nameless } = closings.get(response) as Closing;
  if (ids === undefined) {
    target.set(nameless, at);
    return at + nameless.length;
  }
  for (let i = 0; i < open.length; i++) target[at + i] = open[i] as number;
  const close = writeUuid(ids, from, target, at + open.length);
  for (let i = 0; i < named.length; i++) target[close + i] = named[i] as number;
  return close + named.length;
}

/** The same with its header (Annex A). @returns the offset after it */
export function writeSupplyAnswerFrame(
  target: Buffer,
  at: number,
  messageId: number,
  ids: Uint8Array | undefined,
  from: number,
  response: SupplyResponse,
): number {
  const end = writeSupplyAnswer(target, at + header.length, ids, from, response);
  writeHeader(target, at, messageId, command.keySupplyResponse, end - at - header.length);
  return end;
}
