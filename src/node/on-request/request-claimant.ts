/**
 * Names of requests in the ledger: 32 hex digits, of which the first 12 name the KM. Of a request with
 * a token 12 more are made from that, and 8 from all that must be the same in a repeat: so a repeat is
 * known, and a token that is used for something else is seen, also after a restart. Pure.
 */
import { hash } from "node:crypto";

const kmDigits = 12;
const tokenDigits = 12;

/** @param claimant of this KM, whatever request it is of */
export function claimantOfToken(
  claimant: string,
  token: string,
  number: number,
  size: number,
): string {
  const named = hash("sha256", token, "hex").slice(0, tokenDigits);
  const wanted = hash("sha256", `${token}\0${number}\0${size}`, "hex").slice(0, 8);
  return claimant.slice(0, kmDigits) + named + wanted;
}

/** What all uses of one token by one KM have in common. */
export function tokenOf(claimant: string): string {
  return claimant.slice(0, kmDigits + tokenDigits);
}
