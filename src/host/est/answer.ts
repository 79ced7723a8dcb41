/**
 * Certificates of an answer of EST: "certs-only" of CMS (RFC 5652 §5, RFC 7030 §4.1.3) in base64. Wrappers may be BER
 * of indefinite length, as Bouncy Castle writes them; the certificates in it are DER. Pure.
 */
import { X509Certificate } from "node:crypto";
import { Fault } from "../../base/errors.ts";

const signedData = Buffer.from("06092a864886f70d010702", "hex");
/** More certificates than that are no answer to a request for one. */
const mostCertificates = 16;
/** Wrappers in wrappers, at most. */
const deepest = 8;

/** @param text base64, with or without line ends @throws Fault `est` */
export function certificatesOf(text: string): X509Certificate[] {
  const base64 = text.replace(/\s/g, "");
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(base64)) {
    throw new Fault("est", "the answer is not base64", { length: text.length });
  }
  const content = into(only(Buffer.from(base64, "base64")), 0x30);
  const [kind, wrapped] = content;
  if (kind === undefined || !kind.raw.equals(signedData) || wrapped === undefined) {
    throw new Fault("est", "the answer has no certificates: it is another kind of CMS");
  }
  const signed = into(only(wrapped.value), 0x30, wrapped.tag === 0xa0);
  const list = signed.find(({ tag }) => tag === 0xa0);
  const found = list === undefined ? [] : elements(list.value);
  if (found.length > mostCertificates) {
    throw new Fault("est", "the answer has too many certificates", { limit: mostCertificates });
  }
  return found.map(({ raw }) => {
    try {
      return new X509Certificate(raw);
    } catch {
      throw new Fault("est", "a certificate in the answer is damaged");
    }
  });
}

interface Piece {
  readonly tag: number;
  readonly value: Buffer;
  readonly raw: Buffer;
}

const broken = () => new Fault("est", "the answer is damaged, or is cut");

function only(bytes: Buffer): Piece {
  const [one, ...more] = elements(bytes);
  if (one === undefined || more.length > 0) throw broken();
  return one;
}

function into(piece: Piece, expected: number, isWrapped = true): Piece[] {
  if (piece.tag !== expected || !isWrapped) throw broken();
  return elements(piece.value);
}

function elements(bytes: Buffer): Piece[] {
  const found: Piece[] = [];
  for (let at = 0; at < bytes.length; ) {
    const piece = pieceAt(bytes, at, 0);
    found.push(piece);
    at += piece.raw.length;
  }
  return found;
}

/** One element of BER (X.690 §8.1), of definite or indefinite length. */
function pieceAt(bytes: Buffer, at: number, depth: number): Piece {
  const tag = bytes[at];
  const first = bytes[at + 1];
  if (tag === undefined || first === undefined || (tag & 0x1f) === 0x1f || depth > deepest) {
    throw broken();
  }
  if (first === 0x80) return indefinite(bytes, at, depth);
  const size = first < 0x80 ? 0 : first & 0x7f;
  if (size > 4 || at + 2 + size > bytes.length) throw broken();
  const length = size === 0 ? first : bytes.readUIntBE(at + 2, size);
  const from = at + 2 + size;
  const to = from + length;
  if (to > bytes.length) throw broken();
  return { tag, value: bytes.subarray(from, to), raw: bytes.subarray(at, to) };
}

function indefinite(bytes: Buffer, at: number, depth: number): Piece {
  const tag = bytes[at] as number;
  // Only what is made of parts has an end of its own.
  if ((tag & 0x20) === 0) throw broken();
  let to = at + 2;
  while (!(bytes[to] === 0 && bytes[to + 1] === 0)) {
    to += pieceAt(bytes, to, depth + 1).raw.length;
  }
  return { tag, value: bytes.subarray(at + 2, to), raw: bytes.subarray(at, to + 2) };
}
