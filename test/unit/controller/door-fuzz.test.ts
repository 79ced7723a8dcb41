import test from "ava";
import { fuzzDoor } from "../../campaign/ck-door-fuzz.ts";
import { rounds } from "../../campaign-scale.ts";

test("whatever a key manager sends over either binding, the controller goes on serving another", async (t) => {
  const { connections, inputs, answered, disturbed, growth } = await fuzzDoor(rounds(400), 11);
  t.is(disturbed, 0);
  t.true(answered >= connections / 4);
  t.true(inputs > connections * 10, `${inputs}`);
  t.true(growth < 50_000_000, `${growth} bytes`);
});
