/** What an application is registered with has to be there. */
import test from "ava";
import { Rig } from "./rig.ts";

test("an application is registered with a class and a key manager that there are, and with no others", (t) => {
  const rig = new Rig({
    nodes: [{ km: "a" }],
    classes: [{ name: "gold" }],
    access: { openToKms: false, openToApplications: false, applications: [] },
  });
  const register = (id: string, of: object) => () =>
    rig.core.register("application", id, "test", of);
  t.notThrows(register("one", { class: "gold", km: "a" }));
  t.throws(register("two", { class: "nope" }), { message: /no class of this name/ });
  t.throws(register("two", { km: "b" }), { message: /no key manager of this ID/ });
  t.deepEqual([...rig.kept().access.keys()], ["application:one"]);
  rig.core.register("km", "b", "test");
  t.notThrows(register("two", { km: "b" }));
  rig.core.revoke("km", "b", "test");
  t.throws(register("three", { km: "b" }), { message: /register it first/ });
});
