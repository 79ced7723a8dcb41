/** What `npm start` says of an error that ends it. */
import test from "ava";
import { reason } from "../../../scripts/demo/output.ts";
import { Fault } from "../../../src/base/errors.ts";

test("why a show cannot go on is told in the words of who knows", (t) => {
  t.is(
    reason(new Error("km.toml: the process ended; logged last: …")),
    "km.toml: the process ended; logged last: …",
  );
  t.is(reason(new TypeError("no function")), "TypeError: no function");
  t.is(
    reason(new Fault("kq1.timeout", "no key arrived", { limit_s: 60 })),
    "no key arrived (limit_s=60)",
  );
  t.is(reason(Object.assign(new Error("mkdir"), { code: "EACCES" })), "EACCES: mkdir");
});
