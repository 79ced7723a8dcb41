import test from "ava";
import { originForm } from "../../../../src/host/http/target.ts";

test("a request may name the whole URL, as to a proxy", (t) => {
  for (const [written, path] of [
    ["/key?a=1", "/key?a=1"],
    ["https://kme:8443/key?a=1", "/key?a=1"],
    ["HTTP://[::1]/key", "/key"],
    ["https://kme", "/"],
    ["https://kme?a=1", "/?a=1"],
    ["//key", "//key"],
    ["*", "*"],
    ["kme:443", "kme:443"],
    ["ftp://kme/key", "ftp://kme/key"],
    ["", ""],
  ] as const) {
    t.is(originForm(written), path, written);
  }
});
