/** A message of Kq-2 as it goes on the wire: the header of Annex A of Kq-1, then JSON. */
import { writeHeader } from "../kq1/frame.ts";
import { header } from "../kq1/names.ts";

/**
 * @param messageId from 0 to 2^32 - 1
 * @param code CommandCode, of `names.ts`
 * @param payload at most 65,535 bytes
 */
export function frameOf(messageId: number, code: number, payload: Buffer): Buffer {
  const frame = Buffer.allocUnsafe(header.length + payload.length);
  writeHeader(frame, 0, messageId, code, payload.length);
  payload.copy(frame, header.length);
  return frame;
}
