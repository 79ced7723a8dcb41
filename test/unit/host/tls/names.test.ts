import test from "ava";
import { hasName, nameKey } from "../../../../src/host/tls/names.ts";

test("a name is found however a certificate has it written", (t) => {
  for (const [certified, wanted] of [
    ["app-a.example", "app-a.example"],
    // As Node.js writes it.
    ["2001:DB8:0:0:0:0:0:1", "2001:db8::1"],
    ["::ffff:c000:201", "::FFFF:192.0.2.1"],
    ["192.0.2.1", "192.0.2.1"],
  ] as const) {
    t.true(hasName(["other", certified], wanted), certified);
  }
});

test("what is another name stays another", (t) => {
  for (const [certified, wanted] of [
    ["app-a", "app-b"],
    ["APP-A", "app-a"],
    ["app-\u212a", "app-k"],
    ["fe80::1%x", "fe80::1"],
    ["2001:db8::1", "2001:db8::2"],
    ["192.0.2.1", "192.0.2.10"],
    // A path of a URI has small and large letters.
    ["spiffe://example/App", "spiffe://example/app"],
    ["urn:sae:A", "urn:sae:a"],
    [":::", "::"],
  ] as const) {
    t.false(hasName([certified], wanted), certified);
  }
  t.is(nameKey(":::"), ":::");
});
