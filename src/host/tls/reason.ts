/** What a person can act on, from the codes of OpenSSL and of the system. */
import { errorCode } from "../../base/errors.ts";

const otherCa = "the PEER's certificate is from another CA";
const refusesUs = "the PEER refuses our certificate";

const known: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  ENOTFOUND: "host name not found",
  EAI_AGAIN: "no name server answers for the host name",
  ETIMEDOUT: "no route or no answer",
  ECONNRESET: "closed by the PEER",
  EPIPE: "closed by the PEER",
  SELF_SIGNED_CERT_IN_CHAIN: otherCa,
  DEPTH_ZERO_SELF_SIGNED_CERT: otherCa,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: otherCa,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: otherCa,
  CERT_SIGNATURE_FAILURE: otherCa,
  CERT_HAS_EXPIRED: "the PEER's certificate has expired",
  CERT_REVOKED: "the PEER's certificate was revoked",
  CERT_NOT_YET_VALID: "the PEER's certificate is not valid yet",
  CRL_HAS_EXPIRED: "the revocation list for the PEER's certificate has run out",
  UNABLE_TO_GET_CRL: "there is no revocation list of the CA of the PEER's certificate",
  ERR_TLS_CERT_ALTNAME_INVALID:
    "the PEER's certificate names another PEER, or has no subject alternative name",
  ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION: "the PEER does not speak TLS 1.3",
  // Under TLS 1.3 these come after the handshake looked complete from here.
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: refusesUs,
  ERR_SSL_TLSV1_ALERT_UNKNOWN_CA: refusesUs,
  ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE: refusesUs,
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED: refusesUs,
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_REVOKED: refusesUs,
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_UNKNOWN: refusesUs,
};

/**
 * One line about why a connection failed.
 * @param peer what is at the other end, for people: "KM"
 */
export function connectionReason(error: unknown, peer: string): string {
  const code = errorCode(error);
  if (code !== undefined) return reasonOfCode(code, peer);
  return error instanceof Error ? error.message : "unknown";
}

/** The same, where the code alone is left. */
export function reasonOfCode(code: string, peer: string): string {
  const text = known[code]?.replaceAll("PEER", peer);
  return text === undefined ? code : `${text} (${code})`;
}
