/**
 * The list of certificates that a controller took back (IMDA RS QKDN §7.4), in its Response to a report: ours. The list is
 * one of RFC 5280 §5 in DER, signed by the controller's authority, so who hears it believes the authority and not the way.
 */
import type { CkExtension, CkMessage } from "./messages.ts";
import { extension as known } from "./names.ts";

/** Characters of base64 in one object, and objects of a message. */
const most = { part: 6_000, parts: 120 } as const;
/** Bytes of a list: some 13,000 certificates. */
export const longestList = (most.part * most.parts * 3) / 4;

export interface ToldList {
  /** Grows by each list. */
  readonly number: number;
  readonly der: Buffer;
}

/** @returns nothing if it is longer than {@link longestList} */
export function revocationExtensions({ number, der }: ToldList): CkExtension[] {
  if (der.length > longestList) return [];
  const parts = der.toString("base64").match(new RegExp(`.{1,${most.part}}`, "g")) ?? [];
  return parts.map((text, part) => {
    return { [known.revocations]: { number, part, of: parts.length, der: text } };
  });
}

/** @returns undefined: there is none in it, or not all of one */
export function revocationIn({ extension = [] }: CkMessage): ToldList | undefined {
  const parts = extension.flatMap((one) => {
    return Object.hasOwn(one, known.revocations) ? [one[known.revocations]] : [];
  });
  if (parts.length === 0 || parts.length > most.parts) return undefined;
  const texts: string[] = [];
  let number: number | undefined;
  for (const [i, value] of parts.entries()) {
    const { number: of, part, of: count, der } = Object(value) as Record<string, unknown>;
    const isNext = part === i && count === parts.length && of === (number ?? of);
    if (!isNext || typeof of !== "number" || !Number.isSafeInteger(of)) return undefined;
    if (typeof der !== "string" || der.length > most.part || /[^A-Za-z0-9+/=]/.test(der)) {
      return undefined;
    }
    number = of;
    texts.push(der);
  }
  return number === undefined ? undefined : { number, der: Buffer.from(texts.join(""), "base64") };
}
