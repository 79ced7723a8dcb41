/** Keys that were offered to the other KM, until it has answered for all of them. Pure. */
import type { OfferedKeys } from "../../wire/kx/messages.ts";
import { nowOf } from "../store/key-run.ts";
import type { Use } from "../store/shapes.ts";
import type { Request, Shortage } from "./request.ts";

/** As much of a request as one OFFER can have. */
export interface Part {
  readonly offer: Buffer;
  /** As they were made: a request is one entry, prepared keys are one each. */
  readonly uses: readonly Use[];
  /** The same, as an offer names them. */
  readonly keys: readonly OfferedKeys[];
  /** As it was sent in this session. */
  digest: Buffer | undefined;
  /** The other KM has bound all of it. */
  isBound: boolean;
}

export interface Pending {
  /** Undefined: a pre-offer. */
  readonly request: Request | undefined;
  readonly parts: readonly Part[];
  readonly pickUp: number;
  readonly deadline: number;
  readonly done: (result: Use[] | Shortage) => void;
}

/** A key that ended at the peer before it was durably supplied has no other end any more. */
export function supplied(uses: readonly Use[]): Use[] | Shortage {
  return uses.some(({ fate }) => fate === "X" || fate === "V") ? "refused" : [...uses];
}

/** As they are now: some may have parted. */
export function usesOf({ parts }: Pick<Pending, "parts">): readonly Use[] {
  return nowOf(parts.flatMap(({ uses }) => uses));
}
