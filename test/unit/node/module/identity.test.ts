/** What a module may say that it is, whatever driver it has. */
import test from "ava";
import { checkIdentity } from "../../../../src/node/module/identity.ts";
import { someIdentity } from "../../../rig/identity.ts";

const nothingKnown = { moduleId: undefined, matchingModuleId: undefined, known: undefined };

test("IDs with control characters are refused before anything is on record of them", (t) => {
  t.is(checkIdentity(someIdentity, nothingKnown, "/dev/ttyX"), "QKD-B");
  for (const wrong of [{ moduleId: "QKD-A\0\0" }, { matchingModuleId: "QKD-B\0" }]) {
    t.throws(() => checkIdentity({ ...someIdentity, ...wrong }, nothingKnown, "/dev/ttyX"), {
      message: "a module ID has control characters",
    });
  }
});
