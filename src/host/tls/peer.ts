/** Who is at the other end of a TLS connection, and by which key exchange it was made. */
import type { X509Certificate } from "node:crypto";
import type { DetailedPeerCertificate, PeerCertificate, TLSSocket } from "node:tls";
import { DerError, DerReader, integerText, tag } from "./der.ts";
import { certifiedNames } from "./names.ts";
import { sharedCertificate } from "./shared-certificates.ts";

/** A peer as its certificate shows it. */
export interface TlsPeer {
  /** Subject alternative names: DNS names and addresses. */
  readonly peerNames: readonly string[];
  /** SHA-256 of its certificate, hexadecimal with colons. */
  readonly fingerprint256: string;
  /** Its certificate first, then those that it sent or that were found for it. */
  readonly chain: readonly X509Certificate[];
  /** Of the key exchange, such as `X25519MLKEM768`. */
  readonly group: string;
}

/** @returns undefined for a socket without TLS, or whose peer has shown no certificate */
export function peerOf(socket: object): TlsPeer | undefined {
  if (!("getPeerCertificate" in socket)) return undefined;
  const tls = socket as TLSSocket;
  const certificate = tls.getPeerCertificate(true);
  const chain = chainOf(certificate);
  if (chain[0] === undefined) return undefined;
  const { fingerprint256 } = chain[0];
  return { peerNames: certifiedNames(certificate), fingerprint256, chain, group: groupOf(tls) };
}

/** A peer's certificates, its own first. */
export function chainOf(certificate: PeerCertificate): X509Certificate[] {
  const chain: X509Certificate[] = [];
  let one: Partial<DetailedPeerCertificate> | undefined = certificate as DetailedPeerCertificate;
  while (one?.raw !== undefined) {
    chain.push(sharedCertificate(one.raw));
    // A root is its own issuer.
    if (one.issuerCertificate === one) break;
    one = one.issuerCertificate;
  }
  return chain;
}

/** By number in TLS (IANA "TLS Supported Groups"), and by other names of OpenSSL. */
const names: Readonly<Record<string, string>> = {
  "17": "P-256",
  "18": "P-384",
  "1d": "X25519",
  "11eb": "SecP256r1MLKEM768",
  "11ec": "X25519MLKEM768",
  "11ed": "SecP384r1MLKEM1024",
  prime256v1: "P-256",
  secp384r1: "P-384",
};

/** @returns the group of the key exchange; `unknown` if it cannot be told */
export function groupOf(socket: TLSSocket): string {
  const told = socket.getEphemeralKeyInfo();
  // Servers are not told: there it is read from the session.
  const name = told !== null && "name" in told ? told.name : groupInSession(socket.getSession());
  return names[name ?? ""] ?? name ?? "unknown";
}

/** Whether a key exchange of this group resists a quantum computer. */
export function isPostQuantum(group: string): boolean {
  return group.includes("MLKEM");
}

/** Where OpenSSL's encoding of a session has the group of its key exchange. */
const groupTag = 0xb3;

/** Hexadecimal number of the group in an encoded session, which is wiped: a secret is in it. */
function groupInSession(session: Buffer | undefined): string | undefined {
  if (session === undefined) return undefined;
  try {
    const fields = new DerReader(session).into(tag.sequence);
    while (!fields.ended) {
      const field = fields.next();
      if (field.tag !== groupTag) continue;
      return integerText(new DerReader(field.value).next(tag.integer).value);
    }
    return undefined;
  } catch (error) {
    if (error instanceof DerError) return undefined;
    throw error;
  } finally {
    session.fill(0);
  }
}
