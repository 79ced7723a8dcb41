/** What an application asks its KM for, and why it may get nothing. */
import type { IsWanted } from "../../base/wanted.ts";

/** Why a request got no key. */
export type Shortage = "away" | "stock" | "refused" | "late";

/** One question of one application. */
export interface Request {
  /** The set of applications, in a form that is the same at both KMs. */
  readonly use: string;
  readonly keys: number;
  /** Bytes of each key. */
  readonly length: number;
  /** How long the other application may take to fetch them, s. */
  readonly pickUp: number;
  /** When it is answered at the latest; monotonic, ms. */
  readonly deadline: number;
  /** Only of extents whose key was under one-time pads wherever it was relayed. */
  readonly otpOnly?: boolean;
  /** The other KM is asked first whether this set may have keys: none that is prepared is good for that. */
  readonly agreed?: boolean;
  /** Default: always. */
  readonly isWanted?: IsWanted;
}
