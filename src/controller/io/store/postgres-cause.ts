/** Why PostgreSQL does not do what was asked of it, for people. Pure. */
import { errorCode } from "../../../base/errors.ts";

export interface Cause {
  /** SQLSTATE, or the system's code. */
  readonly code: string;
  /** In words; absent: the code says it. */
  readonly cause?: string;
}

/** By SQLSTATE, and by code of Node.js. */
const words: Readonly<Record<string, string>> = {
  "28P01": "the password is refused",
  "28000": "the server's pg_hba.conf refuses this user, from here, or without TLS",
  "3D000": "there is no database of this name",
  "42501": "the user may not do that",
  "25006": "the database is read-only",
  "53100": "the server's disk is full",
  "53300": "the server has no connection left",
  "55P03": "a table is locked",
  "57014": "it takes too long",
  "57P01": "the server ended the connection",
  "57P03": "the server starts or stops",
  "57P05": "nothing was asked for too long",
  ENOENT: "there is no socket of a server in this folder",
  ECONNREFUSED: "no server answers there",
  ENOTFOUND: "there is no host of this name",
  ERR_TLS_CERT_ALTNAME_INVALID: "the server's certificate is of another name: see server_name",
  SELF_SIGNED_CERT_IN_CHAIN: "the server's certificate is not of the CA in ca",
  DEPTH_ZERO_SELF_SIGNED_CERT: "the server's certificate is not of the CA in ca",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "the server's certificate is not of the CA in ca",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "the server's certificate is not of the CA in ca",
  CERT_HAS_EXPIRED: "the server's certificate has expired",
};

/** What the client's library says without a code. Its texts are fixed: they are looked for, and never passed on. */
const texts: readonly (readonly [RegExp, string, string?])[] = [
  [/does not support SSL/, "no_tls", "the server has no TLS, which ca asks for"],
  [/establishing an SSL connection/, "no_tls", "the server does not begin TLS"],
  [/client password must be/, "no_password", "the server asks for a password: see password_file"],
  [/^SASL:/, "sasl", "the server's way to ask for a password is not understood"],
  [/timeout/i, "timeout"],
  [/terminated|not queryable/, "closed", "the connection is over"],
];

/** Never the error's text, which may quote what was written. */
export function causeOf(error: unknown): Cause {
  const code = errorCode(error);
  if (code !== undefined) {
    const cause = Object.hasOwn(words, code) ? words[code] : undefined;
    return { code, ...(cause !== undefined && { cause }) };
  }
  const text = error instanceof Error ? error.message : "";
  const [, known = "other", cause] = texts.find(([one]) => one.test(text)) ?? [];
  return { code: known, ...(cause !== undefined && { cause }) };
}
