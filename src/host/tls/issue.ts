/** Certificates and revocation lists as an authority makes them (RFC 5280 §4, §5): one profile for each purpose. */
import { hash, type KeyObject, type X509Certificate } from "node:crypto";
import { isIP, isIPv4, SocketAddress } from "node:net";
import { extensionsOf, subjectName } from "./certificate.ts";
import { DerReader, tag } from "./der.ts";
import { bitString, der, integer, oid, pem, sequence, time } from "./der-write.ts";
import { absoluteUri } from "./names.ts";
import { signerOf } from "./signature.ts";

/** Who signs: certificate and key of an authority that belong together. */
export interface Issuer {
  readonly certificate: X509Certificate;
  readonly key: KeyObject;
}

export interface Issue {
  /** DER of the public key that is certified. */
  readonly publicKey: Uint8Array;
  readonly commonName: string;
  /** Subject alternative names: DNS names, addresses, absolute URIs ({@link isCertifiable}). */
  readonly names: readonly string[];
  /** What its holder may be: a client alone, or a server as well. */
  readonly usage: "client" | "both";
  /** Positive, 1 to 20 bytes. */
  readonly serial: Uint8Array;
  /** ms since 1970 UTC */
  readonly from: number;
  readonly to: number;
}

/** Why a certificate was taken back (RFC 5280 §5.3.1), those that are given here. */
export const revocationReasons = {
  unspecified: 0,
  key_compromise: 1,
  affiliation_changed: 3,
  superseded: 4,
  cessation_of_operation: 5,
} as const;
export type RevocationReason = keyof typeof revocationReasons;

export interface RevokedEntry {
  /** Hexadecimal. */
  readonly serial: string;
  /** ms since 1970 UTC */
  readonly at: number;
  readonly reason: RevocationReason;
}

export interface ListIssue {
  /** Grows by each list. */
  readonly number: number;
  readonly revoked: readonly RevokedEntry[];
  /** ms since 1970 UTC */
  readonly from: number;
  readonly to: number;
}

const ids = {
  commonName: oid("2.5.4.3"),
  subjectKey: oid("2.5.29.14"),
  keyUsage: oid("2.5.29.15"),
  names: oid("2.5.29.17"),
  constraints: oid("2.5.29.19"),
  listNumber: oid("2.5.29.20"),
  reason: oid("2.5.29.21"),
  authorityKey: oid("2.5.29.35"),
  extendedUsage: oid("2.5.29.37"),
} as const;
const usages = { server: oid("1.3.6.1.5.5.7.3.1"), client: oid("1.3.6.1.5.5.7.3.2") } as const;
const yes = der(tag.boolean, Buffer.from([0xff]));
const utf8String = 0x0c;
const enumerated = 0x0a;
const version2 = integer(1);
const version3 = der(0xa0, integer(2));
/** The first bit of KeyUsage alone. */
const digitalSignature = bitString(Buffer.from([0x80]), 7);

const dnsName = /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_]([a-z0-9_-]{0,62}))*$/i;
const ia5 = /^[\x21-\x7e]{1,512}$/;

/** Whether a subject alternative name can be made of it that counts when a peer is asked who it is. */
export function isCertifiable(name: string): boolean {
  return isIP(name) !== 0 || dnsName.test(name) || isUri(name);
}

function isUri(name: string): boolean {
  // A comma or a quote has Node.js quote the name, and it would be none then.
  return absoluteUri.test(name) && ia5.test(name) && !/[",\\]/.test(name);
}

/** @returns PEM @throws Error a defect: the issuer's key cannot sign, or a name is none */
export function issueCertificate({ certificate, key }: Issuer, issue: Issue): string {
  const { publicKey, commonName, names, usage, serial, from, to } = issue;
  const purposes = usage === "both" ? [usages.server, usages.client] : [usages.client];
  const extensions = sequence(
    extension(ids.constraints, sequence(), true),
    extension(ids.keyUsage, digitalSignature, true),
    extension(ids.extendedUsage, sequence(...purposes)),
    ...(names.length > 0 ? [extension(ids.names, sequence(...names.map(generalName)))] : []),
    ofAuthority(certificate),
    extension(ids.subjectKey, der(tag.octetString, keyIdOf(publicKey))),
  );
  return signed("CERTIFICATE", key, (algorithm) =>
    sequence(
      version3,
      integer(serial),
      algorithm,
      subjectName(certificate),
      sequence(time(from), time(to)),
      nameOf(commonName),
      publicKey,
      der(0xa3, extensions),
    ),
  );
}

/** @returns PEM */
export function issueList({ certificate, key }: Issuer, list: ListIssue): string {
  const { number, revoked, from, to } = list;
  const entries = revoked.map(({ serial, at, reason }) => {
    const code = revocationReasons[reason];
    // RFC 5280 §5.3.1: what says nothing is left out.
    const why = code === 0 ? [] : [extension(ids.reason, der(enumerated, Buffer.from([code])))];
    const digits = Buffer.from(serial.length % 2 === 0 ? serial : `0${serial}`, "hex");
    return sequence(integer(digits), time(at), ...(why.length > 0 ? [sequence(...why)] : []));
  });
  const extensions = sequence(ofAuthority(certificate), extension(ids.listNumber, integer(number)));
  return signed("X509 CRL", key, (algorithm) =>
    sequence(
      version2,
      algorithm,
      subjectName(certificate),
      time(from),
      time(to),
      ...(entries.length > 0 ? [sequence(...entries)] : []),
      der(0xa0, extensions),
    ),
  );
}

function signed(label: string, key: KeyObject, make: (algorithm: Buffer) => Buffer): string {
  const signer = signerOf(key);
  if (signer === undefined) throw new Error("the issuer's key cannot sign");
  const body = make(signer.algorithm);
  return pem(label, sequence(body, signer.algorithm, bitString(signer.sign(body))));
}

function extension(id: Buffer, value: Buffer, critical = false): Buffer {
  return sequence(id, ...(critical ? [yes] : []), der(tag.octetString, value));
}

function nameOf(commonName: string): Buffer {
  return sequence(der(tag.set, sequence(ids.commonName, der(utf8String, Buffer.from(commonName)))));
}

/** RFC 5280 §4.2.1.6 */
function generalName(name: string): Buffer {
  if (isIP(name) !== 0) return der(0x87, addressBytes(name));
  if (isUri(name)) return der(0x86, Buffer.from(name, "latin1"));
  if (!dnsName.test(name)) throw new Error("no name for a certificate");
  return der(0x82, Buffer.from(name, "latin1"));
}

function addressBytes(address: string): Buffer {
  if (isIPv4(address)) return Buffer.from(address.split(".").map(Number));
  // The shortest way to write it, without a zone: `::` stands for as many zeros as are missing.
  const { address: text } = new SocketAddress({ address, family: "ipv6" });
  const dotted = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(text);
  const [, head = "", ...parts] = dotted ?? [];
  const [a = 0, b = 0, c = 0, d = 0] = parts.map(Number);
  const plain = dotted
    ? `${head}${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`
    : text;
  const [before = "", after] = plain.split("::");
  const words = (part: string) => part.split(":").filter((word) => word !== "");
  const [left, right] = [words(before), words(after ?? "")];
  const zeros = Array.from({ length: 8 - left.length - right.length }, () => "0");
  const all = [...left, ...zeros, ...right].map((word) => word.padStart(4, "0"));
  return Buffer.from(all.join(""), "hex");
}

/** RFC 5280 §4.2.1.1 */
function ofAuthority(certificate: X509Certificate): Buffer {
  const id = subjectKeyOf(certificate) ?? keyIdOf(spkiOf(certificate.publicKey));
  return extension(ids.authorityKey, sequence(der(0x80, id)));
}

function spkiOf(key: KeyObject): Buffer {
  return key.export({ format: "der", type: "spki" });
}

/** RFC 5280 §4.2.1.2 (1): SHA-1 names the key here, and secures nothing. */
function keyIdOf(publicKey: Uint8Array): Buffer {
  const key = new DerReader(publicKey).into(tag.sequence);
  key.next(tag.sequence);
  return hash("sha1", key.next(tag.bitString).value.subarray(1), "buffer");
}

/** The name that an authority's certificate gives its key. */
function subjectKeyOf(certificate: X509Certificate): Uint8Array | undefined {
  const found = extensionsOf(certificate).find(({ oid: name }) => name === "2.5.29.14");
  return found && new DerReader(found.value).next(tag.octetString).value;
}

/** Why this authority's certificate and key are of no use to issue with; undefined: they are good. */
export function issuerProblem({ certificate, key }: Issuer): string | undefined {
  if (!certificate.ca) return "is no certificate of an authority (basicConstraints)";
  if (!certificate.checkPrivateKey(key)) return "belongs to another private key";
  if (signerOf(key) === undefined) return "has a key of a kind or size that is not accepted";
  return undefined;
}
