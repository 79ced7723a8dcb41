/** Parts of a certificate that `node:crypto` does not show (RFC 5280 §4.1). Pure. */
import type { X509Certificate } from "node:crypto";
import { DerReader, type Element, oidText, tag } from "./der.ts";

export interface Extension {
  readonly oid: string;
  /** All of it. */
  readonly element: Element;
  /** DER of its content. */
  readonly value: Uint8Array;
}

/** What follows the validity: subject, key, and more. */
function atSubject({ raw }: X509Certificate): DerReader {
  const body = new DerReader(raw).into(tag.sequence).into(tag.sequence);
  if (body.nextIs(0xa0)) body.next();
  body.next(tag.integer);
  for (const _ of ["signature", "issuer", "validity"]) body.next(tag.sequence);
  return body;
}

/** DER of its subject. @throws DerError */
export function subjectName(certificate: X509Certificate): Uint8Array {
  return atSubject(certificate).next(tag.sequence).raw;
}

/** @throws DerError */
export function extensionsOf(certificate: X509Certificate): Extension[] {
  const body = atSubject(certificate);
  for (const _ of ["subject", "public key"]) body.next(tag.sequence);
  for (const unique of [0x81, 0x82]) if (body.nextIs(unique)) body.next();
  if (!body.nextIs(0xa3)) return [];
  const list = body.into(0xa3).into(tag.sequence);
  const extensions: Extension[] = [];
  while (!list.ended) {
    const element = list.next(tag.sequence);
    const one = new DerReader(element.value);
    const oid = oidText(one.next(tag.oid).value);
    if (one.nextIs(tag.boolean)) one.next();
    extensions.push({ oid, element, value: one.next(tag.octetString).value });
  }
  return extensions;
}
