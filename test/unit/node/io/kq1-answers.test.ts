import test from "ava";
import { Fault } from "../../../../src/base/errors.ts";
import { certifiedNames, type MoreNames } from "../../../../src/host/tls/names.ts";
import { parseSupplyAnswer, readHttpAnswer } from "../../../../src/wire/kq1/answer.ts";

const id = "84dec66a-1dda-8876-bf0f-2f4a0d1b3c5e";
const other = "00000000-0000-8000-8000-000000000001";
const json = (value: unknown) => Buffer.from(JSON.stringify(value));

/** What the answer to a supply of `id` is taken for; "fault" if it is none. */
const tcp = (members: object): string => {
  try {
    const { keyId, response } = parseSupplyAnswer(json(members));
    return keyId === undefined || keyId === id ? response : "another key";
  } catch (error) {
    return error instanceof Fault ? "fault" : "crash";
  }
};

const http = (status: number, body: unknown): string => {
  try {
    return readHttpAnswer(status, Buffer.isBuffer(body) ? body : json(body), id);
  } catch (error) {
    return error instanceof Fault ? "fault" : "crash";
  }
};

const long = "x".repeat(60_000);
/** Table 2: a parameter, what it may be, and what the answer then means over TCP and over HTTPS 200. */
const table: readonly [string, object, string, string][] = [
  ["all present", { key_ID: id, response: "success" }, "success", "success"],
  ["key_ID in capitals", { key_ID: id.toUpperCase(), response: "success" }, "success", "success"],
  ["key_ID absent", { response: "success" }, "fault", "fault"],
  ["key_ID absent in a refusal", { response: "busy" }, "busy", "fault"],
  ["key_ID absent, response unknown", { response: "try_later" }, "unclear", "fault"],
  ["key_ID empty", { key_ID: "", response: "success" }, "fault", "fault"],
  ["key_ID of a wrong type", { key_ID: 7, response: "success" }, "fault", "fault"],
  ["key_ID too long", { key_ID: `${id}0`, response: "success" }, "fault", "fault"],
  ["key_ID of another key", { key_ID: other, response: "success" }, "another key", "fault"],
  // Table B.2: over HTTPS the status is the Response.
  ["response absent", { key_ID: id }, "fault", "success"],
  ["response empty", { key_ID: id, response: "" }, "fault", "fault"],
  ["response of a wrong type", { key_ID: id, response: ["success"] }, "fault", "fault"],
  ["response null", { key_ID: id, response: null }, "fault", "fault"],
  // No word is handed on: it could be the key.
  ["response at its longest", { key_ID: id, response: "y".repeat(64) }, "other", "other"],
  ["response too long", { key_ID: id, response: "y".repeat(65) }, "fault", "fault"],
  ["response unknown", { key_ID: id, response: "no_such_reason" }, "other", "other"],
  ["response of every object", { key_ID: id, response: "toString" }, "other", "other"],
  ["response of the node's own", { key_ID: id, response: "unclear" }, "other", "other"],
  ["response in capitals", { key_ID: id, response: "SUCCESS" }, "other", "other"],
  ...["qkd_module_ID", "matching_qkd_module_ID", "extension", "unknown"].flatMap((name) =>
    ["QKD-A", "", 7, null, [], [{ a: 1 }], {}, long].map(
      (value): [string, object, string, string] => [
        `${name}: ${JSON.stringify(value).slice(0, 20)}`,
        { key_ID: id, response: "success", [name]: value },
        "success",
        "success",
      ],
    ),
  ),
];

for (const [what, members, overTcp, overHttps] of table) {
  test(`response to key supply, ${what}`, (t) => {
    t.is(tcp(members), overTcp, "TCP");
    t.is(http(200, members), overHttps, "HTTPS 200");
    t.is(http(201, members), overHttps, "HTTPS 201");
    // A key of which the status says that it failed is never stored, whatever the body says.
    t.not(http(503, members), "success", "HTTPS 503");
  });
}

test("over HTTPS a body is more exact than its status, and a gateway's page says nothing", (t) => {
  t.is(http(503, { key_ID: id, response: "storage_full" }), "storage_full");
  t.is(http(200, { key_ID: id, response: "busy" }), "busy");
  t.is(http(409, { key_ID: id }), "duplicate_key_ID");
  t.is(http(503, { key_ID: id, response: "overloaded" }), "busy", "a status is more than a riddle");
  t.is(http(403, { key_ID: id, response: "success" }), "fault");
  for (const page of ["", "<html>ok</html>", "null", "[]", '"success"', '{"response":"busy"}']) {
    for (const status of [200, 302, 400, 403, 404, 409, 500, 501, 502, 507]) {
      t.is(http(status, Buffer.from(page)), "fault", `${status} ${page}`);
    }
  }
  t.is(http(500, { key_ID: other, response: "internal_error" }), "fault");
});

test("the names of a certificate are those that it carries, whatever is written into one of them", (t) => {
  const names = (subjectaltname: string, CN?: string | string[], more: MoreNames = {}) =>
    certifiedNames({ subjectaltname, ...(CN !== undefined && { subject: { CN } }) }, more);
  t.deepEqual(names("DNS:km, IP Address:127.0.0.1, URI:http://x, email:a@b", "cn"), [
    "km",
    "127.0.0.1",
  ]);
  t.deepEqual(names("IP Address:0:0:0:0:0:0:0:1"), ["0:0:0:0:0:0:0:1"]);
  // As Node writes a name with a comma in it.
  t.deepEqual(names('DNS:"eve, DNS:km, x", DNS:eve'), ["eve"]);
  t.deepEqual(names('DNS:"a\\", DNS:km", DNS:eve'), ["eve"]);
  t.deepEqual(names("", ["a", "b"]), []);
  t.deepEqual(names("", ["a", "b"], { commonName: true }), ["a", "b"]);
  t.deepEqual(
    names("email:a@b", "km", { commonName: true }),
    [],
    "it has names, though none that count",
  );
  const uris = { uris: true, commonName: true };
  const some = "URI:urn:example:a, DNS:b, URI:spiffe://c/d?e";
  t.deepEqual(names(some, "x", uris), ["urn:example:a", "b", "spiffe://c/d?e"]);
  // What is no absolute URI could be spelled as a DNS name or an address.
  t.deepEqual(names("URI:b, URI:fe80::1, URI:urn:, URI:http:x, URI:://x", "x", uris), []);
  t.deepEqual(names('URI:"urn:a, DNS:b", URI:urn:"c', "x", uris), []);
  t.deepEqual(certifiedNames({}), []);
});
