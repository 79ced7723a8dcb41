/** Why a request gets no key: the Error of ETSI GS QKD 014 (§6.5), with its HTTP status. */
import { member } from "./names.ts";

export class EtsiRefusal extends Error {
  override readonly name = "EtsiRefusal";
  readonly status: number;
  readonly details: readonly Readonly<Record<string, string | number>>[];
  /** s after which another attempt can help; undefined: none does. */
  readonly retryAfter: number | undefined;
  /** Methods that the path has, of a 405 (RFC 9110 §15.5.6). */
  readonly allow: string | undefined;

  /** @param message one line for a person; "" for an answer without a body, as 401 has it (§5.4) */
  constructor(
    status: number,
    message: string,
    details: EtsiRefusal["details"] = [],
    retryAfter?: number,
    allow?: string,
  ) {
    super(message);
    this.status = status;
    this.details = details;
    this.retryAfter = retryAfter;
    this.allow = allow;
  }

  /** The body of the answer. */
  body(): Buffer {
    if (this.message === "") return Buffer.alloc(0);
    const details = this.details.length > 0 && { [member.details]: this.details };
    return Buffer.from(JSON.stringify({ [member.message]: this.message, ...details }));
  }
}

/** A request that is not as the standard has it. */
export function badRequest(message: string, details?: EtsiRefusal["details"]): EtsiRefusal {
  return new EtsiRefusal(400, message, details);
}

/** The path has other methods than this one. @param allow those that it has */
export function notAllowed(allow: string): EtsiRefusal {
  return new EtsiRefusal(405, `${allow} only`, [], undefined, allow);
}

/** The caller is not who may have this: nothing more is said. */
export function unauthorized(): EtsiRefusal {
  return new EtsiRefusal(401, "");
}
