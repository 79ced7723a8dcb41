/** How KMEs deviate from ETSI GS QKD 014 without harm: a case that meets one passes, and says so. */

export interface Dialect {
  readonly id: string;
  /** What the standard has. */
  readonly standard: string;
  /** What is answered instead. */
  readonly seen: string;
}

export const dialects = [
  {
    id: "422-for-400",
    standard: "a request that is not as it should be is answered 400",
    seen: "422, by frameworks that check requests against a schema",
  },
  {
    id: "404-for-unknown-key",
    standard: "keys that are not found are answered 400",
    seen: "401, 404 or 410",
  },
  {
    id: "other-than-401",
    standard: "who may not have something is answered 401",
    seen: "400, 403 or 404",
  },
  {
    id: "401-with-body",
    standard: "401 has no body",
    seen: "a body, mostly a message",
  },
  {
    id: "own-texts",
    standard: "some messages have a text that the standard fixes",
    seen: "the same in other words",
  },
  {
    id: "own-errors",
    standard: "an error is a JSON object with a member message",
    seen: 'another object, such as {"detail": …}, or text',
  },
  {
    id: "own-type",
    standard: "a body is application/json",
    seen: "another Content-Type, or none",
  },
  {
    id: "silent-503",
    standard: "503 has a JSON object with a member message",
    seen: "503 of a proxy in front of the KME",
  },
] as const satisfies readonly Dialect[];

export type DialectId = (typeof dialects)[number]["id"];
