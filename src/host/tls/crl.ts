/** Revocation lists (RFC 5280 §5) from PEM: what is in them, and whether a CA has signed them. */
import type { X509Certificate } from "node:crypto";
import { subjectName } from "./certificate.ts";
import { DerError, DerReader, type Element, integerText, oidText, tag, timeOf } from "./der.ts";
import { algorithmOf, hasSigned, type SignatureAlgorithm } from "./signature.ts";

/** A list that was read; whether its signature is good depends on who is asked. */
export interface RevocationList {
  /** `CN=…, O=…` */
  readonly issuer: string;
  /** DER of the issuer's name. */
  readonly issuerName: Uint8Array;
  /** ms since 1970 UTC */
  readonly thisUpdate: number;
  /** ms since 1970 UTC; undefined: the list does not say. */
  readonly nextUpdate: number | undefined;
  /** Serial numbers as {@link serialOf} writes them. */
  readonly revoked: ReadonlySet<string>;
  /** Grows by each list of an issuer (§5.2.3); undefined: it has none. */
  readonly number: number | undefined;
  /** DER of all of it. */
  readonly raw: Uint8Array;
  /** What is signed, how, and the signature. */
  readonly signed: Uint8Array;
  readonly algorithm: SignatureAlgorithm;
  readonly signature: Uint8Array;
}

/** A file that cannot be used as revocation lists; the message is for a person and quotes nothing. */
export class CrlError extends Error {
  override readonly name = "CrlError";
}

const listNumber = "2.5.29.20";
const attributes: Readonly<Record<string, string>> = {
  "2.5.4.3": "CN",
  "2.5.4.6": "C",
  "2.5.4.7": "L",
  "2.5.4.8": "ST",
  "2.5.4.10": "O",
  "2.5.4.11": "OU",
};

/**
 * Every list of a PEM file.
 * @throws CrlError if there is none, or one of them cannot be used
 */
export function parseCrls(text: string): RevocationList[] {
  const blocks = [...text.matchAll(/-----BEGIN X509 CRL-----([^-]*)-----END X509 CRL-----/g)];
  const begun = text.split("-----BEGIN ").length - 1;
  if (begun === 0 && text.startsWith("0")) {
    throw new CrlError("is DER, not PEM: convert it with openssl crl -inform DER");
  }
  if (blocks.length === 0) throw new CrlError("holds no revocation list in PEM");
  if (blocks.length !== begun) throw new CrlError("holds something else than revocation lists");
  return blocks.map(([, base64 = ""], i) => {
    const which = blocks.length === 1 ? "" : `list ${i + 1}: `;
    try {
      return parseCrl(Buffer.from(base64, "base64"));
    } catch (error) {
      if (error instanceof CrlError) throw new CrlError(which + error.message);
      if (error instanceof DerError) {
        throw new CrlError(`${which}is damaged, or no revocation list (${error.message})`);
      }
      throw error;
    }
  });
}

/** One list in DER. @throws DerError, CrlError */
export function parseCrl(der: Uint8Array): RevocationList {
  const file = new DerReader(der);
  const list = file.into(tag.sequence);
  file.end();
  const signed = list.next(tag.sequence);
  const algorithm = list.next(tag.sequence);
  const { value: bits } = list.next(tag.bitString);
  list.end();
  if (bits[0] !== 0) throw new DerError("signature of no use");

  const body = new DerReader(signed.value);
  const version = body.nextIs(tag.integer) ? integerText(body.next().value) : "0";
  if (version !== "0" && version !== "1") throw new CrlError("is of a version that is not known");
  // RFC 5280 §5.1.1.2: the unsigned copy of the algorithm must be the signed one.
  const inside = body.next(tag.sequence);
  if (Buffer.compare(inside.raw, algorithm.raw) !== 0) throw new DerError("two algorithms");
  const issuer = body.next(tag.sequence);
  const thisUpdate = timeOf(body.next());
  const dated = body.nextIs(tag.utcTime) || body.nextIs(tag.generalizedTime);
  const nextUpdate = dated ? timeOf(body.next()) : undefined;
  const revoked = new Set<string>();
  if (body.nextIs(tag.sequence)) {
    const entries = body.into(tag.sequence);
    while (!entries.ended) {
      const entry = entries.into(tag.sequence);
      revoked.add(integerText(entry.next(tag.integer).value));
      timeOf(entry.next());
      if (!entry.ended) checkExtensions(entry.next(tag.sequence));
      entry.end();
    }
  }
  let number: number | undefined;
  if (!body.ended) {
    const explicit = body.into(0xa0);
    number = checkExtensions(explicit.next(tag.sequence));
    explicit.end();
  }
  body.end();
  const how = algorithmOf(algorithm);
  if (typeof how === "string") throw new CrlError(how);
  return {
    issuer: nameText(issuer),
    issuerName: issuer.raw,
    thisUpdate,
    nextUpdate,
    revoked,
    number,
    raw: der,
    signed: signed.raw,
    algorithm: how,
    signature: bits.subarray(1),
  };
}

/** Critical ones change what a list means, such as one for a part of a CA's certificates (§5.2). @returns the list's number */
function checkExtensions({ value }: Element): number | undefined {
  let number: number | undefined;
  const extensions = new DerReader(value);
  while (!extensions.ended) {
    const extension = extensions.into(tag.sequence);
    const oid = oidText(extension.next(tag.oid).value);
    const critical = extension.nextIs(tag.boolean) && extension.next().value[0] !== 0;
    const { value: inside } = extension.next(tag.octetString);
    extension.end();
    if (oid === listNumber) number = numberIn(inside);
    if (critical) {
      throw new CrlError(`is partial or indirect (critical extension ${oid}): give a full one`);
    }
  }
  return number;
}

/** Larger ones than can be counted with are of no use here, and the list is good all the same. */
function numberIn(value: Uint8Array): number | undefined {
  const number = Number.parseInt(integerText(new DerReader(value).next(tag.integer).value), 16);
  return Number.isSafeInteger(number) ? number : undefined;
}

function nameText({ value }: Element): string {
  const parts: string[] = [];
  const name = new DerReader(value);
  while (!name.ended) {
    const set = name.into(tag.set);
    while (!set.ended) {
      const pair = set.into(tag.sequence);
      const oid = oidText(pair.next(tag.oid).value);
      const text = Buffer.from(pair.next().value).toString("utf8");
      pair.end();
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
      parts.push(`${attributes[oid] ?? oid}=${text.replace(/[\x00-\x1f\x7f-\x9f]/g, "?")}`);
    }
  }
  return parts.join(", ").slice(0, 256);
}

/** A certificate's serial number, as lists of this module hold them. */
export function serialOf({ serialNumber }: X509Certificate): string {
  const negative = serialNumber.startsWith("-");
  const digits = BigInt(`0x${negative ? serialNumber.slice(1) : serialNumber}`).toString(16);
  return negative ? `-${digits}` : digits;
}

/** Whether a list was issued by this CA: its name, and its signature. */
export function isSignedBy(list: RevocationList, ca: X509Certificate): boolean {
  if (Buffer.compare(list.issuerName, subjectName(ca)) !== 0) return false;
  const { algorithm, signed, signature } = list;
  return hasSigned(algorithm, signed, ca.publicKey, signature);
}
