/** Who a module says it is, where a test or a benchmark stands in for its session. */
import type { ModuleIdentity } from "../../src/port/module.ts";

export const someIdentity: ModuleIdentity = {
  moduleId: "QKD-A",
  matchingModuleId: "QKD-B",
  role: "alice",
  vendor: "",
  model: "",
  serial: "",
  firmware: "",
  protocol: "",
  maxBlockBytes: 65_536,
};
