/**
 * How KMEs differ from ETSI GS QKD 014 V1.1.1 and from each other where it leaves them free: a row of data each
 * (README, "Dialects"). Pure.
 */

/** What an answer's status means. */
export type Meaning =
  /** enc_keys: it has none; dec_keys: it is busy. Another time. */
  | "later"
  /** One or more of the keys are not there. */
  | "unknown"
  /** We are not who may ask, or may not ask that. */
  | "refused";

export interface Dialect {
  readonly about: string;
  /** How keys are asked for; by GET with one key_ID a request. */
  readonly enc: "GET" | "POST";
  readonly dec: "GET" | "POST";
  /** Whether `size` is sent: of some KMEs there is one size, and a request that names one is refused. */
  readonly size: boolean;
  /** Members beside `key_ID` in each element of `key_IDs`. */
  readonly idMembers: readonly "master_SAE_ID"[];
  /** How it spells a key_ID when it is asked for one. */
  readonly upperCase: boolean;
  /** key_IDs of a dec_keys, at most. */
  readonly idsAtOnce: number;
  /** What a status other than 200 means; those that are not here end the session. */
  readonly encMeans: Readonly<Record<number, Meaning>>;
  readonly decMeans: Readonly<Record<number, Meaning>>;
}

const enc = { 400: "refused", 401: "refused", 403: "refused", 404: "refused" } as const;
const dec = {
  400: "unknown",
  401: "refused",
  403: "refused",
  404: "unknown",
  410: "unknown",
} as const;
const later = {
  408: "later",
  429: "later",
  500: "later",
  502: "later",
  503: "later",
  504: "later",
} as const;

const standard: Dialect = {
  about: "the standard, and this project's own key manager",
  enc: "POST",
  dec: "POST",
  size: true,
  idMembers: [],
  upperCase: false,
  idsAtOnce: 1_024,
  encMeans: { ...later, ...enc },
  decMeans: { ...later, ...dec },
};

export const dialects = {
  standard,
  get: {
    ...standard,
    about: "KMEs that know GET alone: one key_ID a request",
    enc: "GET",
    dec: "GET",
    idsAtOnce: 1,
  },
  "empty-400": {
    ...standard,
    about: "KMEs that say 400 where they have too few keys, as to a request that is wrong",
    encMeans: { ...standard.encMeans, 400: "later" },
  },
  "empty-404": {
    ...standard,
    about:
      "KMEs of web frameworks: 404 where there is no key, 422 for a body that they do not take",
    encMeans: { ...standard.encMeans, 404: "later", 422: "refused" },
    decMeans: { ...standard.decMeans, 422: "unknown" },
  },
  "unknown-401": {
    ...standard,
    about: "KMEs that say 401 or 403 for a key that was fetched, or has expired",
    decMeans: { ...standard.decMeans, 401: "unknown", 403: "unknown" },
  },
  "fixed-size": {
    ...standard,
    about: "KMEs with keys of one size, which refuse a request that names one",
    size: false,
  },
  "master-in-ids": {
    ...standard,
    about: "KMEs that want master_SAE_ID in each element of key_IDs",
    idMembers: ["master_SAE_ID"],
  },
  "upper-case": {
    ...standard,
    about: "KMEs whose key_IDs are in capitals, and are not found otherwise",
    upperCase: true,
  },
} as const satisfies Readonly<Record<string, Dialect>>;

export type DialectName = keyof typeof dialects;
export const dialectNames = Object.keys(dialects) as readonly DialectName[];
