/** What a node tells its panel when nothing is the matter. */
import type { NodeMessage } from "../../src/port/panel.ts";

export const quietNode: NodeMessage = {
  v: 1,
  from: "node",
  health: "ok",
  supply: true,
  tamper: "none",
  maintenance: false,
  zeroize: "none",
  clear: false,
};
