/** Status of a call of gRPC, and how status and times are written in headers (gRPC over HTTP/2, PROTOCOL-HTTP2). */

export const grpcStatus = {
  ok: 0,
  cancelled: 1,
  unknown: 2,
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  permissionDenied: 7,
  resourceExhausted: 8,
  failedPrecondition: 9,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  unauthenticated: 16,
} as const;

/** A call that did not end with OK. */
export class GrpcError extends Error {
  override readonly name = "GrpcError";
  /** Of {@link grpcStatus}, or another number of a peer. */
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** Characters of a peer's message that are kept. */
const longestText = 256;

/** As a header may have it: what is not printable ASCII is percent-encoded UTF-8. */
export function encodeText(text: string): string {
  return [...Buffer.from(text)]
    .map((byte) => {
      const isPlain = byte >= 0x20 && byte <= 0x7e && byte !== 0x25;
      return isPlain
        ? String.fromCharCode(byte)
        : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
    })
    .join("");
}

/** A text of a peer for people: shortened, without control characters. */
export function decodeText(text: string): string {
  const bytes = text
    .slice(0, 4 * longestText)
    .replace(/%([0-9a-fA-F]{2})/g, (_, hex: string) =>
      String.fromCharCode(Number.parseInt(hex, 16)),
    );
  return Buffer.from(bytes, "latin1")
    .toString("utf8")
    .replace(/\p{Cc}/gu, " ")
    .slice(0, longestText);
}

type Headers = Readonly<Record<string, string | readonly string[] | number | undefined>>;

/** The status in headers or trailers; undefined if there is none. */
export function statusIn(headers: Headers): GrpcError | "ok" | undefined {
  const value = headers["grpc-status"];
  if (typeof value !== "string") return undefined;
  if (value === "0") return "ok";
  const code = /^\d{1,3}$/.test(value) ? Number(value) : grpcStatus.unknown;
  const text = headers["grpc-message"];
  return new GrpcError(
    code,
    typeof text === "string" && text !== "" ? decodeText(text) : "no reason is told",
  );
}

/** What a status of HTTP that is no 200 means (gRPC, "HTTP to gRPC Status Code Mapping"). */
export function statusOfHttp(http: number): number {
  if (http === 400) return grpcStatus.internal;
  if (http === 401) return grpcStatus.unauthenticated;
  if (http === 403) return grpcStatus.permissionDenied;
  if (http === 404) return grpcStatus.unimplemented;
  return [429, 502, 503, 504].includes(http) ? grpcStatus.unavailable : grpcStatus.unknown;
}

/** @param ms from 0, for `grpc-timeout`: at most 8 digits */
export function timeoutText(ms: number): string {
  const whole = Math.max(1, Math.ceil(ms));
  return whole < 1e8 ? `${whole}m` : `${Math.min(99_999_999, Math.ceil(whole / 1_000))}S`;
}

const units: Readonly<Record<string, number>> = {
  H: 3.6e6,
  M: 60_000,
  S: 1_000,
  m: 1,
  u: 1e-3,
  n: 1e-6,
};

/** @returns ms; undefined if the text is no time */
export function readTimeout(text: string): number | undefined {
  const [, digits, unit = ""] = /^(\d{1,8})([HMSmun])$/.exec(text) ?? [];
  const each = units[unit];
  return digits === undefined || each === undefined ? undefined : Number(digits) * each;
}
