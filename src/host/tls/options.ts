/**
 * TLS as every link of the node has it: version, key exchange, whose names count, whom to believe.
 * The one place that says so; a lint rule holds every file that opens or serves TLS to it.
 */
import { constants } from "node:crypto";
import { isIP } from "node:net";
import {
  type ConnectionOptions,
  checkServerIdentity,
  type PeerCertificate,
  type TLSSocket,
} from "node:tls";
import { errorCode } from "../../base/errors.ts";
import { chainOf } from "./peer.ts";
import { systemCas } from "./system.ts";
import { PeerRefused, type TrustTexts, trustOf } from "./trust.ts";

/** PEM texts of one end of a link, and what it asks of the other. */
export interface TlsTexts extends TrustTexts {
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  /** Revocation lists that have run out refuse every peer. */
  readonly crlFresh?: boolean | undefined;
  /** Only a key exchange that a quantum computer cannot undo. */
  readonly requirePq?: boolean | undefined;
  /** Clients of a server may have TLS 1.2, with {@link suites12}: no quantum-safe key exchange then. */
  readonly tls12?: boolean | undefined;
}

/**
 * SSL_OP_CLEANSE_PLAINTEXT of OpenSSL 3, for which Node.js has no name: what was received is overwritten
 * in OpenSSL's own buffer once it is handed on.
 */
const cleansePlaintext = 0x2;

const hybrid = "X25519MLKEM768";
/**
 * In OpenSSL's notation: key shares are sent for what has a star, which spares a round trip with a
 * peer that has only the second. `/` ranks: a peer that has the first gets it, whatever it likes better.
 */
const groups = `*${hybrid}/*X25519:P-256:P-384`;

/** Files that were put together without a line end between: OpenSSL reads none of what is joined so. */
function apart(pem: string): string {
  return pem.replaceAll("----------BEGIN ", "-----\n-----BEGIN ");
}

function common({ cert, key, ca, requirePq = false }: TlsTexts) {
  return {
    ...(ca !== undefined && { ca: apart(ca) }),
    ...(cert !== undefined && { cert: apart(cert) }),
    ...(key !== undefined && { key }),
    minVersion: "TLSv1.3",
    ecdhCurve: requirePq ? hybrid : groups,
    rejectUnauthorized: true,
    secureOptions: cleansePlaintext,
  } as const;
}

/**
 * Options of a client, for `tls.connect`, `https.request` and mqtt.js.
 * @param serverName name or address that the server's certificate must carry as a subject alternative
 *   name; its CN never counts
 * @param wall says what time it is, ms since 1970 UTC
 * @throws CrlError
 */
export function clientTls(texts: TlsTexts, serverName: string, wall: () => number) {
  const trust = texts.crl === undefined && texts.told === undefined ? undefined : trustOf(texts);
  return {
    ...common({ ...texts, ca: texts.ca ?? systemCas() }),
    // SNI carries names only, without a last dot (RFC 6066 §3); the identity check takes addresses too.
    servername: isIP(serverName) === 0 ? serverName.replace(/\.$/, "") : "",
    checkServerIdentity: (_host: string, certificate: PeerCertificate) => {
      // Node.js takes the CN where there is no DNS name: without a subject there is none to take.
      const named = { ...certificate, subject: {} } as PeerCertificate;
      const wrong = checkServerIdentity(serverName, named);
      if (wrong !== undefined || trust === undefined) return wrong;
      const why = trust.refusal(chainOf(certificate), {
        wall: wall(),
        crlFresh: texts.crlFresh,
      });
      return why === undefined ? undefined : new PeerRefused(why);
    },
  } satisfies ConnectionOptions;
}

/**
 * What to say of a handshake that failed where only {@link TlsTexts.requirePq} key exchange was offered.
 * @returns undefined if it failed for another reason
 */
export function noCommonGroup(error: unknown, texts: TlsTexts | undefined): string | undefined {
  const code = errorCode(error) ?? "";
  if (texts?.requirePq !== true || !/HANDSHAKE_FAILURE|NO_SUITABLE_KEY_SHARE/.test(code)) {
    return undefined;
  }
  return `the other side has no ${hybrid}, and require_pq allows nothing else (${code})`;
}

/** Suites of TLS 1.3, and those of TLS 1.2 that are as good: ephemeral keys, authenticated encryption. */
const suites12 = [
  ...["TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_128_GCM_SHA256"],
  ...["ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-RSA-AES256-GCM-SHA384"],
  ...["ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-RSA-CHACHA20-POLY1305"],
  ...["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256"],
];

/**
 * Options of a server, for `https.createServer` and `setSecureContext`. Clients without a certificate of
 * these CAs get no connection if `clients` says so; lists are for who accepts connections to check.
 */
export function serverTls(texts: TlsTexts, clients: boolean) {
  // A resumed session is not checked again: each connection shows its certificate, and keeps it.
  const once = constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION;
  return {
    ...common(texts),
    requestCert: clients,
    rejectUnauthorized: clients,
    ...(clients && { secureOptions: cleansePlaintext | once }),
    ...(texts.tls12 === true && ({ minVersion: "TLSv1.2", ciphers: suites12.join(":") } as const)),
  };
}

/**
 * Suites of SKIP: TLS 1.3 with a pre-shared key has this one in Node.js alone; of TLS 1.2 those that are also
 * safe from who learns the pre-shared key later come first. Each is safe from quantum computers, since what
 * both ends agree on depends on the pre-shared key.
 */
export const pskSuites = [
  "TLS_AES_128_GCM_SHA256",
  "DHE-PSK-AES256-GCM-SHA384",
  "DHE-PSK-AES256-CBC-SHA384",
  "PSK-AES256-GCM-SHA384",
] as const;

/**
 * Options of a server whose clients show that they have a pre-shared key (RFC 4279, RFC 8446 §2.2), for
 * `https.createServer`. There are no certificates.
 * @param pskOf the key of an identity. There must be one for every text that could be an identity: without, the
 *   client would be told that it does not exist
 */
export function pskServerTls(pskOf: (socket: TLSSocket, identity: string) => Uint8Array | null) {
  return {
    minVersion: "TLSv1.2",
    ecdhCurve: groups,
    ciphers: pskSuites.join(":"),
    dhparam: "auto",
    // No resumption, no renegotiation: each handshake is one with the key, and a connection has one identity.
    secureOptions:
      cleansePlaintext | constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION,
    pskCallback: pskOf,
  } as const;
}
