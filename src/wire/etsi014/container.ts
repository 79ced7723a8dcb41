/** The Key container (ETSI GS QKD 014 §6.3), written from bytes: no key is ever a text. */
import { base64Length, writeBase64 } from "../kq1/base64.ts";
import { asUuid } from "./key-ids.ts";
import { member, text } from "./names.ts";

const open = `"${member.keys}":[`;
const keyOpen = `{"${member.keyId}":"`;
const keyMiddle = `","${member.key}":"`;
const keyClose = `"}`;
const warning = `],"${member.containerExtension}":{"${member.message}":"${text.optionalUnhandled}"}}`;
const end = "]}";
const uuidLength = 36;

/**
 * @param ids of the keys, 32 hexadecimal digits each
 * @param keys bytes of each: keys that are fetched together may have been asked for apart, in other lengths
 * @param unhandled to tell the warning about options that are not known
 * @param others other members as JSON, each with its comma
 * @returns memory of its own that the caller wipes once it was sent
 */
export function writeKeyContainer(
  ids: readonly string[],
  keys: readonly Uint8Array[],
  unhandled: boolean,
  others = "",
): Buffer {
  const each = keyOpen.length + uuidLength + keyMiddle.length + keyClose.length + 1;
  const digits = keys.reduce((sum, { length }) => sum + base64Length(length), 0);
  const head = Buffer.from(`{${others}${open}`);
  const target = Buffer.allocUnsafeSlow(head.length + ids.length * each + digits + warning.length);
  let at = head.copy(target);
  // What stands between two keys is written at once.
  let before = "";
  for (const [i, key] of keys.entries()) {
    at += target.write(before + keyOpen + asUuid(ids[i] as string) + keyMiddle, at, "latin1");
    at = writeBase64(key, target, at);
    before = `${keyClose},`;
  }
  at += target.write(keyClose + (unhandled ? warning : end), at, "latin1");
  return target.subarray(0, at);
}
