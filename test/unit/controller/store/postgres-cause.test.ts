import test from "ava";
import { causeOf } from "../../../../src/controller/io/store/postgres-cause.ts";

test("what is known is told in words, and nothing of an error's text", (t) => {
  const coded = (code: string) => Object.assign(new Error("secret"), { code });
  t.deepEqual(causeOf(new Error("The server does not support SSL connections")), {
    code: "no_tls",
    cause: "the server has no TLS, which ca asks for",
  });
  t.like(causeOf(coded("53100")), { code: "53100", cause: "the server's disk is full" });
  t.deepEqual(causeOf(coded("XX000")), { code: "XX000" });
  t.deepEqual(causeOf(coded("constructor")), { code: "constructor" });
  t.deepEqual(causeOf(new Error("Query read timeout")), { code: "timeout" });
  t.like(causeOf(new Error("Connection terminated unexpectedly")), { code: "closed" });
  for (const one of [new Error("secret"), "secret", undefined, null]) {
    t.deepEqual(causeOf(one), { code: "other" });
  }
});
