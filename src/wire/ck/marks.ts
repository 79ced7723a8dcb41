/** Single words in `extension` that say more of a message than its Table has room for. All of them are ours. */
import { isLonger } from "../../base/text-length.ts";
import type { CkExtension, CkMessage } from "./messages.ts";
import { extension as known, limits, proactive, type Service, services } from "./names.ts";

/** What a sender may add. */
export interface CkMarks {
  /** A controller: another one leads, and this one decides nothing. */
  readonly standby?: true;
  /** Notification: bits that are wanted. Key relay request: bits to be relayed, 0 for none now; reservation: to be reserved. Its Response: bits that were. */
  readonly bits?: number;
  /** Key relay request: its Response comes within so many s, at the latest. */
  readonly withinS?: number;
  /** Key relay request at the first KM between: the key that the source has reserved. */
  readonly reserved?: string;
  /** Key reservation request: the first KM on the way, of the link to which a key is reserved. */
  readonly next?: string;
  /** Response to key relay request: the KM where the relay failed. */
  readonly failedAt?: string;
  /** Session creation notification: the session is over. */
  readonly ended?: true;
  /** Session creation request and notification: keys are brought to the destination. */
  readonly supply?: typeof proactive;
  /** Key relay request of which source and destination are the ends of a link: what becomes of that link. */
  readonly service?: Service;
}

/** Bits of one order, and how long one may take, s. */
export const mostOrder = { bits: 10_000_000_000, withinS: 600 } as const;

export function markExtensions(marks: CkMarks): CkExtension[] {
  const objects: CkExtension[] = [];
  if (marks.standby) objects.push({ [known.standby]: true });
  if (marks.bits !== undefined) objects.push({ [known.bits]: marks.bits });
  if (marks.withinS !== undefined) objects.push({ [known.within]: marks.withinS });
  if (marks.reserved !== undefined) objects.push({ [known.reserved]: marks.reserved });
  if (marks.next !== undefined) objects.push({ [known.next]: marks.next });
  if (marks.failedAt !== undefined) objects.push({ [known.failedAt]: marks.failedAt });
  if (marks.ended) objects.push({ [known.ended]: true });
  if (marks.supply !== undefined) objects.push({ [known.supply]: marks.supply });
  if (marks.service !== undefined) objects.push({ [known.service]: marks.service });
  return objects;
}

/** What is out of range, or of another type, is passed over: extensions of others may have these names, too. */
export function marksIn({ extension = [] }: CkMessage): CkMarks {
  const value = (name: string) =>
    extension.find((one) => Object.hasOwn(one, name))?.[name] as unknown;
  const number = (name: string, least: number, most: number) => {
    const one = value(name);
    const isGood = typeof one === "number" && Number.isSafeInteger(one);
    return isGood && one >= least && one <= most ? one : undefined;
  };
  const bits = number(known.bits, 0, mostOrder.bits);
  const withinS = number(known.within, 1, mostOrder.withinS);
  const id = (name: string) => {
    const one = value(name);
    return typeof one === "string" && one.length > 0 && !isLonger(one, limits.id) ? one : undefined;
  };
  const reserved = id(known.reserved);
  const failedAt = id(known.failedAt);
  const next = id(known.next);
  const service = services.find((one) => one === value(known.service));
  return {
    ...(value(known.standby) === true && { standby: true }),
    ...(bits !== undefined && { bits }),
    ...(withinS !== undefined && { withinS }),
    ...(reserved !== undefined && { reserved }),
    ...(failedAt !== undefined && { failedAt }),
    ...(next !== undefined && { next }),
    ...(value(known.ended) === true && { ended: true }),
    ...(value(known.supply) === proactive && { supply: proactive }),
    ...(service !== undefined && { service }),
  };
}
