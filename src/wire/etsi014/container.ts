/** The Key container (ETSI GS QKD 014 §6.3), written from bytes: no key is ever a text. */
import { base64Length, writeBase64 } from "../kq1/base64.ts";
import { asUuid } from "./key-ids.ts";
import { member, text } from "./names.ts";

const open = Buffer.from(`{"${member.keys}":[`);
const keyOpen = Buffer.from(`{"${member.keyId}":"`);
const keyMiddle = Buffer.from(`","${member.key}":"`);
const keyClose = Buffer.from(`"}`);
const warning = Buffer.from(
  `],"${member.containerExtension}":{"${member.message}":"${text.optionalUnhandled}"}}`,
);
const end = Buffer.from("]}");
const uuidLength = 36;

/**
 * @param ids of the keys, 32 hexadecimal digits each
 * @param bytes of the keys, one after the other, all of one length
 * @param unhandled to tell the warning about options that are not known
 * @returns memory of its own that the caller wipes once it was sent
 */
export function writeKeyContainer(
  ids: readonly string[],
  bytes: Uint8Array,
  unhandled: boolean,
): Buffer {
  const length = bytes.length / ids.length;
  const each =
    keyOpen.length + uuidLength + keyMiddle.length + base64Length(length) + keyClose.length + 1;
  const target = Buffer.allocUnsafeSlow(open.length + ids.length * each + warning.length);
  let at = open.copy(target);
  for (const [i, id] of ids.entries()) {
    if (i > 0) target[at++] = 0x2c;
    at += keyOpen.copy(target, at);
    at += target.write(asUuid(id), at, "latin1");
    at += keyMiddle.copy(target, at);
    at = writeBase64(bytes.subarray(i * length, (i + 1) * length), target, at);
    at += keyClose.copy(target, at);
  }
  at += (unhandled ? warning : end).copy(target, at);
  return target.subarray(0, at);
}
