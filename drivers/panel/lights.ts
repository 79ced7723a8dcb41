/** What the lamps show. Pure. README.md beside this file has the same as a table. */
import type { NodeMessage } from "../../src/port/panel.ts";
import type { Light, Lights } from "./report.ts";

const off: Light = { colour: "off", rhythm: "steady" };
const green: Light = { colour: "green", rhythm: "steady" };
const amber: Light = { colour: "amber", rhythm: "steady" };
const red: Light = { colour: "red", rhythm: "steady" };
const slow = ({ colour }: Light): Light => ({ colour, rhythm: "slow" });
const fast = ({ colour }: Light): Light => ({ colour, rhythm: "fast" });

export interface Scene {
  /** What the node said last; undefined while it is not heard. */
  readonly node: NodeMessage | undefined;
  /** The zeroize button is being held, and not yet long enough. */
  readonly held: boolean;
  /** It was held long enough, and the node has not taken it yet. */
  readonly asking: boolean;
}

export function lightsOf({ node, held, asking }: Scene): Lights {
  return {
    node: node === undefined ? slow(red) : green,
    supply: node === undefined ? off : node.supply ? green : amber,
    alarm: { ok: off, warning: amber, alarm: red, unknown: off }[node?.health ?? "unknown"],
    tamper: { none: off, seen: fast(red), latched: red, unknown: off }[node?.tamper ?? "unknown"],
    maintenance: node?.maintenance ? amber : off,
    zeroize: zeroizeLight(node?.zeroize, held, asking),
  };
}

function zeroizeLight(
  state: NodeMessage["zeroize"] | undefined,
  held: boolean,
  asking: boolean,
): Light {
  if (held) return fast(amber);
  if (asking) return fast(red);
  switch (state) {
    case "pending":
      return slow(red);
    case "failed":
      return fast(red);
    case "done":
      return red;
    default:
      return off;
  }
}
