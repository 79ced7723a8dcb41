/**
 * The last look before a bundle leaves: no member may hold one of the secrets that the configuration
 * names, in any of the ways in which bytes are written down. Everything else should have seen to that.
 */
import { firstLine, passwordProblem } from "../../host/config/password.ts";
import type { Member } from "./tar.ts";

export interface Secret {
  /** What it is, for the message: `km.main.key`. */
  readonly name: string;
  /** A file's content: a PEM key, or a password on its first line. */
  readonly content: Buffer;
}

/** A shorter password would be found everywhere. */
const shortest = 6;

function writings(bytes: Buffer): Buffer[] {
  const texts = [
    bytes.toString("hex"),
    bytes.toString("hex").toUpperCase(),
    bytes.toString("base64").replace(/=+$/, ""),
    bytes.toString("base64url"),
    [...bytes].join(","),
    [...bytes].join(", "),
  ];
  return [bytes, ...texts.map((text) => Buffer.from(text))];
}

/** A key that is written in hexadecimal digits; some of it is enough. */
function digitsOf(text: Buffer): Buffer | undefined {
  const digits = text.toString("latin1");
  return /^(?:[0-9a-f]{2}){16,}$/i.test(digits)
    ? Buffer.from(digits, "hex").subarray(0, 24)
    : undefined;
}

/** Bytes that betray a secret. */
function needles({ content }: Secret): Buffer[] {
  const text = content.toString("latin1");
  const body = /-----BEGIN [^-]+-----\s*([A-Za-z0-9+/=\s]+?)-----END/.exec(text)?.[1];
  if (body === undefined) {
    // The spool's key is bytes, a password is text, as the node takes it.
    const bytes = passwordProblem(content, 1) !== undefined;
    const secret = bytes
      ? content.subarray(0, 24)
      : Buffer.from(firstLine(content.toString("utf8")).trimEnd());
    const key = bytes ? undefined : digitsOf(secret);
    return secret.length < shortest ? [] : [...writings(secret), ...(key ? writings(key) : [])];
  }
  const der = Buffer.from(body, "base64");
  // Stretches from the middle, where a key differs from others of its kind; at multiples of 3, since
  // the base64 of such a stretch is part of the base64 of the whole.
  const third = Math.floor(der.length / 9) * 3;
  return [third, 2 * third].flatMap((at) => writings(der.subarray(at, at + 24)));
}

/** Replaces members that hold a secret by a note that says so. */
export function withholdSecrets(
  members: readonly Member[],
  secrets: readonly Secret[],
): readonly Member[] {
  const known = secrets.map((secret) => ({ name: secret.name, needles: needles(secret) }));
  return members.map((member) => {
    const found = known.find((secret) => secret.needles.some((one) => member.bytes.includes(one)));
    if (found === undefined) return member;
    const note = `withheld: it holds the secret of ${found.name}\n`;
    return { name: member.name, bytes: Buffer.from(note) };
  });
}
