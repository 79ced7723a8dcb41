/** JSON Schema of a certificate or revocation list, as `certs --json` prints it. Pure. */
import { about, count, flag, object, oneOf, text, time } from "./schema-parts.ts";

export const certificate = object(
  {
    for: about(text, "km.NAME, server, web, manager"),
    role: oneOf("own", "ca", "crl"),
    file: text,
    place: about(count, "of a file with several certificates: which one, from 1"),
    subject: text,
    issuer: text,
    names: about(text, "subject alternative names"),
    serial: text,
    fingerprint: about(text, "SHA-256"),
    not_before: time,
    not_after: time,
    days: about({ type: "integer" }, "left"),
    key_matches: flag,
    this_update: about(time, "of a revocation list"),
    next_update: about(time, "of a revocation list: until when it is good"),
    entries: about(count, "certificates that a revocation list takes back"),
    in_use: about(flag, "of a CA: whether its end matters"),
    problem: text,
    note: about(text, "remarkable, though nothing is wrong"),
  },
  [
    ...["this_update", "next_update", "entries"],
    ...["subject", "issuer", "names", "serial", "fingerprint", "not_before", "not_after", "days"],
    ...["place", "key_matches", "in_use", "problem", "note"],
  ],
);
