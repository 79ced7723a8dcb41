import test from "ava";
import { membersOf } from "../../../../src/wire/etsi014/members.ts";
import { longestBodyOf, longestRequest } from "../../../../src/wire/etsi014/names.ts";
import { EtsiRefusal } from "../../../../src/wire/etsi014/refusal.ts";
import { memberTwice } from "../../../../src/wire/kq1/member-twice.ts";

const of = (text: string | Buffer) => ({ ...membersOf(Buffer.from(text as string)) });

test("members of an object; what is null is not there", (t) => {
  t.deepEqual(of('{"a":1,"b":null,"c":[null],"d":{"e":null}}'), {
    a: 1,
    c: [null],
    d: { e: null },
  });
  t.deepEqual(of(""), {});
  t.deepEqual(of(" \n"), {});
  t.is(Object.getPrototypeOf(membersOf(Buffer.from("{}"))), null);
  const odd = membersOf(Buffer.from('{"__proto__":{"number":1}}'));
  t.is(odd.number, undefined);
  t.deepEqual(Object.keys(odd), ["__proto__"]);
});

test("what is no JSON object in UTF-8 is refused in words", (t) => {
  const refused = (body: string | Buffer, message: string) => {
    const { status } = t.throws(() => of(body), { instanceOf: EtsiRefusal, message }) ?? {};
    t.is(status, 400);
  };
  refused(Buffer.from([0x7b, 0xff, 0x7d]), "the body is not UTF-8");
  // A surrogate, an overlong form, a character that is cut off.
  for (const hex of ["22eda08022", "22c0af22", "22e282"]) {
    refused(Buffer.from(hex, "hex"), "the body is not UTF-8");
  }
  for (const text of ["{", "{'a':1}", '{"a":1,}', "{}{}", "\u0000", '{"a":NaN}', "undefined"]) {
    refused(text, "the body is not JSON");
  }
  for (const text of ["null", "1", '"a"', "[]", "true"]) {
    refused(text, "the body is not a JSON object");
  }
});

test("a member that is there twice is found at every depth, however it is written", (t) => {
  for (const [text, name] of [
    ['{"a":1,"a":2}', "a"],
    ['{"a":1,"\\u0061":1}', "a"],
    ['{"x":[{"b":1},{"c":{"d":1,"e":{},"d":2}}]}', "d"],
    ['{"a":{"b":1},"a":null}', "a"],
    ['{"":1,"":1}', ""],
    ['{"__proto__":1,"__proto__":1}', "__proto__"],
    ['{"a\\"":1,"a\\"":1}', 'a"'],
    ['{"\\ud83d\\ude00":1,"😀":2}', "😀"],
  ] as const) {
    t.is(memberTwice(text), name, text);
    const error = t.throws(() => of(text), { instanceOf: EtsiRefusal });
    t.deepEqual(error?.details, [{ member: name }]);
  }
  for (const text of [
    '{"a":{"a":{"a":1}}}',
    '[{"a":1},{"a":1}]',
    '{"a":"a","b":["a","a"]}',
    '{"a":"{\\"b\\":1,\\"b\\":1}"}',
    '{"a":":","b":","}',
  ]) {
    t.is(memberTwice(text), undefined, text);
  }
});

test("a long name is cut in what is told", (t) => {
  const name = "n".repeat(1_000);
  t.is(memberTwice(`{"${name}":1,"${name}":2}`)?.length, 64);
});

test("bodies as long as one may be, deep or of one text, are read", (t) => {
  const most = longestRequest - 16;
  const deep = "[".repeat(most / 2) + "]".repeat(most / 2);
  t.is(Object.keys(of(`{"a":${deep}}`)).length, 1);
  t.is((of(`{"a":"${"x".repeat(most)}"}`).a as string).length, most);
  t.is((of(`{"a":"${"\\n".repeat(most / 2)}"}`).a as string).length, most / 2);
  t.throws(() => of(`{"a":${"[".repeat(most)}}`), { instanceOf: EtsiRefusal });
});

test("a body has room for what a request may name, and no more", (t) => {
  const ids = Array.from({ length: 64 }, () => ({
    key_ID: "0d8c9a54-0000-4000-8000-0123456789ab",
    master_SAE_ID: "a".repeat(128),
  }));
  t.true(longestBodyOf("dec_keys", 64) > JSON.stringify({ key_IDs: ids }).length);
  t.is(longestBodyOf("dec_keys", 64), 36_864);
  t.is(longestBodyOf("dec_keys", 1_024), longestRequest);
  t.is(longestBodyOf("enc_keys", 1_024), 16_384);
});
