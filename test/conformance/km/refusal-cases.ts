/** Messages that no KM should take: each is refused by a word, and leaves nothing behind. */
import { Broken, type Level } from "../run.ts";
import type { KmCase } from "./case.ts";
import type { Kit } from "./kit.ts";
import { refusals } from "./message.ts";
import type { TestKey } from "./target.ts";

interface Wrong {
  readonly id: string;
  readonly title: string;
  readonly level?: Level;
  readonly words?: readonly string[];
  /** The message, wrong for this key; and whether the ID is good enough to be tried again. */
  body(kit: Kit, key: TestKey): Buffer;
  readonly again?: false;
}

const invalid = ["invalid_message"];

/** The text of a payload with a part of it replaced. */
function edited(kit: Kit, key: TestKey, part: RegExp, by: string): Buffer {
  return Buffer.from(kit.payload(key).toString("utf8").replace(part, by));
}

const wrong: readonly Wrong[] = [
  {
    id: "hash-mismatch",
    title: "a key whose hash_value is another's is refused as hash_mismatch, and not stored",
    words: ["hash_mismatch"],
    body: (kit, key) => kit.payload(key, { hash_value: `sha-256:${"0".repeat(64)}` }),
  },
  {
    id: "bad-base64",
    title: "a key that is not base64 is refused, and not stored",
    words: invalid,
    body: (kit, key) => kit.payload(key, { key: "~~~~not base64~~~~", hash_value: undefined }),
  },
  {
    id: "bad-length",
    title: "a key_length that is not the key's is refused, and the key not stored",
    words: [...invalid, "key_length_unsupported"],
    body: (kit, key) => kit.payload(key, { key_length: key.bits + 64 }),
  },
  {
    id: "bad-padding",
    title: "bits that are set after the end of a key are refused",
    level: "should",
    words: invalid,
    body(kit, key) {
      const bytes = Buffer.from(key.bytes);
      bytes[31] = (bytes[31] as number) | 1;
      return kit.payload({ ...key, bits: 255, bytes });
    },
  },
  {
    id: "no-key",
    title: "a message without a key is refused",
    words: invalid,
    body: (kit, key) => kit.payload(key, { key: undefined, hash_value: undefined }),
  },
  {
    id: "empty-key",
    title: "an empty key is refused",
    words: [...invalid, "key_length_unsupported"],
    body: (kit, key) => kit.payload(key, { key: "", key_length: 0, hash_value: undefined }),
  },
  {
    id: "two-keys",
    title: "a message in which key is there twice is refused: which of them is meant is not known",
    level: "should",
    words: [...invalid, "hash_mismatch"],
    body: (kit, key) => edited(kit, key, /"key":"/, '"key":"AAAA","key":"'),
  },
  {
    id: "no-id",
    title: "a message without key_ID is refused",
    words: invalid,
    body: (kit, key) => kit.payload(key, { key_ID: undefined }),
    again: false,
  },
  {
    id: "bad-id",
    title: "a key_ID that is no UUID is refused",
    level: "should",
    words: invalid,
    body: (kit, key) => kit.payload(key, { key_ID: "key-1" }),
    again: false,
  },
  {
    id: "no-module",
    title: "a message without qkd_module_ID is refused",
    words: [...invalid, "unknown_module"],
    body: (kit, key) => kit.payload(key, { qkd_module_ID: undefined }),
  },
  {
    id: "number-for-text",
    title: "a member of the wrong type is refused",
    words: [...invalid, "unknown_module"],
    body: (kit, key) => kit.payload(key, { key_ID: 7, qkd_module_ID: ["A"], key_length: "256" }),
    again: false,
  },
  {
    id: "bad-time",
    title: "a generation_timestamp that is none is refused",
    level: "should",
    words: invalid,
    body: (kit, key) => kit.payload(key, { generation_timestamp: "2026-02-31 noon" }),
  },
];

function refusal({ id, title, level, words, body, again }: Wrong): KmCase {
  return {
    id,
    title,
    ...(level !== undefined && { level }),
    async run(kit) {
      const key = kit.key();
      const client = await kit.open();
      const said = await client.supply(body(kit, key));
      // Where the key_ID cannot be read there is no answer about it over HTTPS, and TCP may end.
      kit.refused(said, "the message", words, again === false);
      if (again === false) return kit.alive("after the refusal");
      // The connection may have been ended with it.
      await kit.free(await kit.open(), key, "after the refusal");
    },
  };
}

export const refusalCases: readonly KmCase[] = [
  ...wrong.map(refusal),
  {
    id: "unknown-module",
    title: "a module that the KM does not know is taken or refused, by a word of Table 2",
    async run(kit) {
      const client = await kit.open();
      const key = kit.key();
      const said = await client.supply(kit.payload(key, { qkd_module_ID: "QKD-NOT-THERE-9999" }));
      const known: readonly string[] = ["success", ...refusals];
      if (!known.includes(said.word)) throw new Broken(`${said.why}, which is no word of Table 2`);
      kit.note(said.word === "success" ? "the KM takes keys of any module" : said.why);
      await kit.taken(await kit.open(), kit.key(), "a key of a known module after it");
    },
  },
  {
    id: "among-good",
    title: "a bad message among good ones is refused alone",
    async run(kit) {
      const client = await kit.open();
      const keys = kit.keys(9);
      const bodies = keys.map((key, i) =>
        kit.payload(key, i % 3 === 1 ? { hash_value: `sha-256:${"f".repeat(64)}` } : {}),
      );
      const said = await client.supplyAll(bodies);
      for (const [i, one] of said.entries()) {
        if (i % 3 === 1) kit.refused(one, `message ${i + 1} of 9, with another's hash`);
        else kit.success(one, `message ${i + 1} of 9, which is right`);
      }
    },
  },
];
