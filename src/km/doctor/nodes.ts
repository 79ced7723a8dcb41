/** Do nodes supply the keys of the modules? As the running key manager sees it. */
import { counted } from "../../base/words.ts";
import { whole } from "../../host/terminal/units.ts";
import { type Finding, ok, warn } from "../../ops/doctor/finding.ts";
import type { Running } from "./subject.ts";

const look = "look at its node: qkd-node doctor there; and at the names in module.NAME.nodes";

export function checkNodes({ status }: Running): Finding[] {
  const connected = `${whole(status.nodes_connected)} connected over TCP`;
  return status.modules.map(({ name, module_id, received_keys, told }) => {
    const title = [`module.${name}`, `module ${name}`] as const;
    const node = told?.current === true ? `; ${told.node} tells it is ${told.module}` : "";
    if (received_keys === 0) {
      const refused = Object.entries(status.refused).map(([why, n]) => `${n} ${why}`);
      const also = refused.length === 0 ? "" : `; refused: ${refused.join(", ")}`;
      return warn(title, `no key of ${module_id} came since the start; ${connected}${also}`, look);
    }
    if (told?.current === true && told.module !== "OPERATING") {
      return warn(title, `its node tells it is ${told.module}: ${told.reason}`, look);
    }
    return ok(title, `${counted(received_keys, "key")} since the start${node}`);
  });
}
