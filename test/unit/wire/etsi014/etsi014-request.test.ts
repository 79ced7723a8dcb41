import test, { type ExecutionContext } from "ava";
import {
  type KeyLimits,
  type KeyRequest,
  mostBitsOfRequest,
  requestOfBody,
  requestOfQuery,
} from "../../../../src/wire/etsi014/key-request.ts";
import { EtsiRefusal } from "../../../../src/wire/etsi014/refusal.ts";

const limits: KeyLimits = { standard: 256, least: 64, most: 65_536, number: 4_096, saes: 3 };
const usual: KeyRequest = {
  number: 1,
  size: 256,
  additional: [],
  level: "any",
  wish: "any",
  unhandled: false,
};

const body = (value: unknown) =>
  Buffer.from(typeof value === "string" ? value : JSON.stringify(value));
const of = (value: unknown) => requestOfBody(body(value), limits);
const ofQuery = (query: string) => requestOfQuery(new URLSearchParams(query), limits);

function refused(t: ExecutionContext, act: () => unknown, message: string | RegExp) {
  const error = t.throws(act, { instanceOf: EtsiRefusal });
  t.is(error?.status, 400);
  if (typeof message === "string") t.is(error?.message, message);
  else t.regex(error?.message ?? "", message);
  return error?.details ?? [];
}

test("a request without members is one key of the standard size, in every way to write it", (t) => {
  for (const text of ["", " \r\n\t", "{}", "\ufeff{}", "\ufeff"]) t.deepEqual(of(text), usual);
  t.deepEqual(of({ number: null, size: null, extension_mandatory: null }), usual);
  t.deepEqual(of({ additional_slave_SAE_IDs: null, extension_optional: null }), usual);
  t.deepEqual(ofQuery(""), usual);
  t.deepEqual(ofQuery("number=&size="), usual);
});

test("number and size are taken from a body and from a query", (t) => {
  t.deepEqual(of({ number: 3, size: 512 }), { ...usual, number: 3, size: 512 });
  t.deepEqual(of('{"size":64,"number":2e0}'), { ...usual, number: 2, size: 64 });
  t.deepEqual(ofQuery("number=3&size=512"), { ...usual, number: 3, size: 512 });
  // A GET has no more: what else stands there is not looked at.
  t.deepEqual(ofQuery("number=0003&additional_slave_SAE_IDs=x&colour=red"), {
    ...usual,
    number: 3,
  });
});

test("what is no whole number from 1 is refused", (t) => {
  for (const name of ["number", "size"]) {
    const message = `${name} is not a whole number from 1`;
    for (const value of [0, -8, 1.5, "1", true, [1], {}, 1e18, -0]) {
      refused(t, () => of({ [name]: value }), message);
    }
    for (const value of ["0", "-8", "1.5", "1e3", "%201", "0x10", "one", "12345678901"]) {
      refused(t, () => ofQuery(`${name}=${value}`), message);
    }
    refused(t, () => ofQuery(`${name}=1&${name}=1`), `${name} is there twice`);
  }
});

test("sizes are multiples of 8 within the limits, which a refusal tells", (t) => {
  refused(t, () => of({ size: 257 }), "size shall be a multiple of 8");
  refused(t, () => ofQuery("size=1"), "size shall be a multiple of 8");
  for (const size of [56, 65_544]) {
    const details = refused(t, () => of({ size }), "size is not from 64 to 65536 bits");
    t.deepEqual(details, [{ min_key_size: 64, max_key_size: 65_536 }]);
  }
  t.is(of({ size: 64 }).size, 64);
  t.is(of({ size: 65_536 }).size, 65_536);
});

test("numbers are within the limit, and so is what all keys have together", (t) => {
  const details = refused(t, () => of({ number: 4_097 }), "number is over 4096");
  t.deepEqual(details, [{ max_key_per_request: 4_096 }]);
  t.is(of({ number: 4_096 }).number, 4_096);
  const size = 65_536;
  const number = mostBitsOfRequest / size;
  t.is(of({ number, size }).number, number);
  refused(t, () => of({ number: number + 1, size }), /^number times size is over \d+ bits$/);
});

test("additional SAEs are an array of IDs, or one ID, each once, as many as there may be", (t) => {
  const more = (additional_slave_SAE_IDs: unknown) => of({ additional_slave_SAE_IDs }).additional;
  t.deepEqual(more([]), []);
  t.deepEqual(more(["a", "b", "c"]), ["a", "b", "c"]);
  t.deepEqual(more("a"), ["a"]);
  t.deepEqual(more(["ü".repeat(128)]), ["ü".repeat(128)]);
  const message = "additional_slave_SAE_IDs is not an array of SAE IDs";
  for (const value of [7, {}, "", [""], [7], [null], [["a"]], ["a".repeat(129)], ["a", 1]]) {
    refused(t, () => more(value), message);
  }
  const over = refused(t, () => more(["a", "b", "c", "d"]), /has more than 3$/);
  t.deepEqual(over, [{ max_SAE_ID_count: 3 }]);
  refused(t, () => more(["a", "b", "a"]), "additional_slave_SAE_IDs names one twice");
  const none = () =>
    requestOfBody(body({ additional_slave_SAE_IDs: ["a"] }), { ...limits, saes: 0 });
  refused(t, none, /has more than 0$/);
});

test("a mandatory option is met or refused by the standard's text", (t) => {
  const must = (...extension_mandatory: unknown[]) => of({ extension_mandatory });
  t.deepEqual(must(), usual);
  t.deepEqual(must({}), usual);
  t.is(must({ security_level: "any" }).level, "any");
  t.is(must({ security_level: "otp" }).level, "otp");
  t.is(must({ security_level: "otp" }, { security_level: "any" }).level, "otp");
  refused(t, () => must({ x: 1 }), "not all extension_mandatory parameters are supported");
  refused(
    t,
    () => must({ security_level: "otp" }, { x: 1 }),
    "not all extension_mandatory parameters are supported",
  );
  for (const value of ["", "none", 7, null, ["otp"]]) {
    refused(
      t,
      () => must({ security_level: value }),
      "not all extension_mandatory request options could be met",
    );
  }
});

test("an optional option is met or told", (t) => {
  const may = (...extension_optional: unknown[]) => of({ extension_optional });
  t.deepEqual(may(), usual);
  t.deepEqual(may({ security_level: "otp" }), { ...usual, wish: "otp" });
  t.deepEqual(may({ security_level: "any" }), usual);
  t.deepEqual(may({ x: 1 }), { ...usual, unhandled: true });
  t.deepEqual(may({ security_level: "none" }), { ...usual, unhandled: true });
  t.deepEqual(may({ x: 1, security_level: "otp" }), { ...usual, wish: "otp", unhandled: true });
});

test("extensions are arrays of objects", (t) => {
  for (const name of ["extension_mandatory", "extension_optional"]) {
    for (const value of ["x", 7, {}, ["x"], [7], [null], [[]], [{}, 1]]) {
      refused(t, () => of({ [name]: value }), `${name} is not an array of objects`);
    }
  }
});

test("members that nobody knows change nothing, whatever they are called", (t) => {
  t.deepEqual(of('{"__proto__":{"number":9},"constructor":{"size":7},"toString":null}'), usual);
  t.deepEqual(of({ colour: [{ number: 7 }] }), usual);
});
