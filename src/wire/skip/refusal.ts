/** Why a SKIP request gets nothing: an HTTP status of the draft, and one line for a person. */
import { member } from "./names.ts";

/** 400 malformed or unknown, 404 another path, 405 another method than GET, 500 a defect, 503 not at this time. */
export type SkipStatus = 400 | 404 | 405 | 500 | 503;

export class SkipRefusal extends Error {
  override readonly name = "SkipRefusal";
  readonly status: SkipStatus;
  /** s after which another attempt can help; undefined: none does. */
  readonly retryAfter: number | undefined;

  constructor(status: SkipStatus, message: string, retryAfter?: number) {
    super(message);
    this.status = status;
    this.retryAfter = retryAfter;
  }

  /** The body of the answer. */
  body(): Buffer {
    return Buffer.from(JSON.stringify({ [member.message]: this.message }));
  }
}

/** Also for a system that exists and may not share keys with the caller: it learns no more. */
export function unknownSystem(): SkipRefusal {
  return new SkipRefusal(400, "remoteSystemID is not known");
}

/** Also for a key of others. */
export function unknownKey(): SkipRefusal {
  return new SkipRefusal(400, "keyId is not known");
}
