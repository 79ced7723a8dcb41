/**
 * What the key manager asks of `hsm-child.ts`, and what that answers. The request is one line of JSON on the child's
 * standard input, for `adopt` with the key after it; the answer comes over descriptor 3: length of the JSON (uint32,
 * big-endian), JSON, then keys of 32 bytes each. Neither has a PIN: the child reads its file.
 */
import * as v from "valibot";

const text = v.pipe(v.string(), v.maxLength(4_096));

/** A master key as it lies beside the store. */
export const wrappedSchema = v.strictObject({
  version: v.number(),
  /** ID of the key manager; the wrapping is bound to it. */
  km: text,
  /** Label of the wrapping key in the token. */
  key: text,
  /** Nonce, ciphertext and tag of AES-256-GCM, Base64. */
  sealed: text,
});

export type Wrapped = v.InferOutput<typeof wrappedSchema>;

export const requestSchema = v.strictObject({
  /** `look`: is the token there, without a PIN; `open`: unwraps keys, each for itself; `make`: draws one; `adopt`: wraps one. */
  act: v.picklist(["look", "open", "make", "adopt"]),
  module: text,
  token: v.optional(text),
  serial: v.optional(text),
  key: text,
  pin_file: text,
  km: text,
  /** A person asked for it. */
  by_hand: v.boolean(),
  /** The wrapping key is made if the token lacks it. */
  make_key: v.boolean(),
  wrapped: v.array(wrappedSchema),
});

export type HsmRequest = v.InferOutput<typeof requestSchema>;

const facts = v.record(v.string(), v.union([v.string(), v.number(), v.boolean()]));

const answered = v.strictObject({
  token: text,
  serial: text,
  /** Of `make` and `adopt`: what lies beside the store from now on. */
  wrapped: v.optional(wrappedSchema),
  made_key: v.boolean(),
  /** Of `open`, where some opened: which did not, as places in the request, and why (`hsm.key`). */
  refused: v.optional(v.array(v.strictObject({ at: v.number(), message: text, facts }))),
  /** Keys that follow. */
  keys: v.number(),
});

export const answerSchema = v.union([
  answered,
  v.strictObject({
    code: v.picklist(["hsm.library", "hsm.token", "hsm.pin", "hsm.key", "hsm.io"]),
    message: text,
    facts,
  }),
]);

export type HsmAnswer = v.InferOutput<typeof answered>;

export const masterKeyBytes = 32;
/** The JSON of an answer is no longer than this. */
export const longestAnswer = 65_536;
export const wrappedVersion = 1;

/** What a wrapped key is sealed together with. */
export function aboutMasterKey(km: string): string {
  return `qkd-km master key 1 ${km}`;
}
