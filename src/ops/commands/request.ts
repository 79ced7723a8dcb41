/** What a manager signs: a command, whom it is for, and how long it may be carried out. */
import * as v from "valibot";
import { parseDate } from "../../base/date.ts";

/** RFC 3339 with seconds, in UTC or with an offset; ms since 1970 UTC from then on. */
export const time = v.pipe(
  v.string(),
  v.regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/),
  v.transform(parseDate),
  v.number(),
  v.integer(),
);

const whole = v.pipe(v.number(), v.safeInteger(), v.minValue(1));

const members = v.strictObject({
  id: v.pipe(v.string(), v.regex(/^[\w.-]{1,64}$/)),
  command: v.pipe(v.string(), v.regex(/^[a-z][a-z0-9_]{0,31}$/)),
  /** The node, key manager or controller that it is for: a signature is good at one of them. */
  node: v.optional(v.pipe(v.string(), v.maxLength(64))),
  km: v.optional(v.pipe(v.string(), v.maxLength(64))),
  controller: v.optional(v.pipe(v.string(), v.maxLength(64))),
  /** Grows with each command of this key; ms since 1970 will do. */
  counter: whole,
  issued: time,
  expires: time,
  /** The boot counter it is meant for; needed by what cannot be undone. */
  boot: v.optional(whole),
  /** The start that it is meant for, by the random bits in its birth: no other carries it out. */
  incarnation: v.optional(v.pipe(v.string(), v.minLength(1), v.maxLength(64))),
  args: v.optional(v.record(v.pipe(v.string(), v.maxLength(64)), v.unknown()), {}),
});

const schema = v.pipe(
  members,
  v.check(
    ({ node, km, controller }) =>
      [node, km, controller].filter((one) => one !== undefined).length === 1,
  ),
);

/** Times in ms since 1970 UTC. */
export type CommandRequest = v.InferOutput<typeof schema>;

/** @returns undefined if it is not a request; nothing of the input is kept */
export function readRequest(payload: Buffer): CommandRequest | undefined {
  try {
    const result = v.safeParse(schema, JSON.parse(payload.toString("utf8")));
    return result.success ? result.output : undefined;
  } catch {
    return undefined;
  }
}
