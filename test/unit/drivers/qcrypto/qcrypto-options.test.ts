import test from "ava";
import * as v from "valibot";
import { qcrypto } from "../../../../drivers/qcrypto/kind.ts";

const whole = { folder: "/final", module_id: "a", matching_module_id: "b", role: "alice" };

test("IDs of modules have no control characters: the ledger keeps a pair with one between", (t) => {
  t.true(v.safeParse(qcrypto.options, whole).success);
  for (const name of ["module_id", "matching_module_id"]) {
    for (const id of ["a\0b", "a\nb", "a\u0085"]) {
      const { issues = [] } = v.safeParse(qcrypto.options, { ...whole, [name]: id });
      t.deepEqual(
        issues.map((issue) => `${v.getDotPath(issue)}: ${issue.message}`),
        [`${name}: expected no control characters`],
      );
    }
  }
});
