import test, { type ExecutionContext } from "ava";
import { asUuid, idsOfBody, idsOfQuery } from "../../../../src/wire/etsi014/key-ids.ts";
import { EtsiRefusal } from "../../../../src/wire/etsi014/refusal.ts";

const one = "0d8c9a54-0000-4000-8000-0123456789ab";
const other = "0d8c9a54-0000-4000-8000-0123456789AC";
const plain = "0d8c9a54000040008000012345678";

const of = (value: unknown, most = 3) => idsOfBody(Buffer.from(JSON.stringify(value)), most);
const elements = (...ids: unknown[]) => ({ key_IDs: ids.map((key_ID) => ({ key_ID })) });
const ofQuery = (query: string) => idsOfQuery(new URLSearchParams(query));

function refused(t: ExecutionContext, act: () => unknown, message: string) {
  const error = t.throws(act, { instanceOf: EtsiRefusal, message });
  t.is(error?.status, 400);
  return error?.details;
}

test("IDs are read in any case, with whatever else stands beside them", (t) => {
  t.deepEqual(of(elements(one, other)), [`${plain}9ab`, `${plain}9ac`]);
  const more = { key_ID: one, master_SAE_ID: "a", key_ID_extension: null, __proto__: 1 };
  t.deepEqual(of({ key_IDs: [more], key_IDs_extension: {}, x: 1 }), [`${plain}9ab`]);
  t.deepEqual(ofQuery(`key_ID=${other}&master_SAE_ID=a`), [`${plain}9ac`]);
  t.is(asUuid(`${plain}9ab`), one);
});

test("what is no list of elements with UUIDs is refused", (t) => {
  const list = "key_IDs is not an array of objects with key_ID";
  for (const value of [{}, { key_IDs: null }, { key_IDs: [] }, { key_IDs: "x" }, { key_IDs: {} }]) {
    refused(t, () => of(value), list);
  }
  for (const element of [null, 7, "x", one, [], [one], {}, { key_id: one }]) {
    refused(t, () => of({ key_IDs: [element] }), "key_ID is not a UUID");
  }
  const near = [
    one.slice(1),
    `${one}0`,
    one.replaceAll("-", ""),
    `{${one}}`,
    ` ${one}`,
    `${one}\n`,
  ];
  for (const id of [7, null, "", `urn:uuid:${one}`, one.replace("d", "g"), ...near]) {
    refused(t, () => of(elements(id)), "key_ID is not a UUID");
  }
});

test("none is there twice, and there are as many as may be", (t) => {
  refused(t, () => of(elements(one, one)), "a key_ID is there twice");
  refused(t, () => of(elements(one, one.toUpperCase())), "a key_ID is there twice");
  const ids = Array.from({ length: 4 }, (_, i) => one.replace(/.$/, String(i)));
  t.is(of(elements(...ids.slice(1))).length, 3);
  const details = refused(t, () => of(elements(...ids)), "key_IDs has more than 3");
  t.deepEqual(details, [{ max_key_per_request: 3 }]);
});

test("a query has one", (t) => {
  refused(t, () => ofQuery(""), "one key_ID is needed");
  refused(t, () => ofQuery(`key_ID=${one}&key_ID=${other}`), "one key_ID is needed");
  refused(t, () => ofQuery("key_ID="), "key_ID is not a UUID");
  refused(t, () => ofQuery(`key_ID=${one},${other}`), "key_ID is not a UUID");
});
