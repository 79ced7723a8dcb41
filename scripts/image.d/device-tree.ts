/** A device tree blob as the kernel reads it (Devicetree Specification 0.4, chapter 5): nodes, and what each needs. */
import { ImageError } from "./run.ts";

export interface DeviceNode {
  /** From the root, such as `/soc/mmc@7e340000`. */
  readonly path: string;
  readonly parent: DeviceNode | undefined;
  /** Most special first; empty if the node has none. */
  readonly compatible: readonly string[];
  /** Neither it nor one above it is switched off. */
  readonly enabled: boolean;
  readonly properties: ReadonlyMap<string, Buffer>;
}

const token = { begin: 1, end: 2, property: 3, nothing: 4, over: 9 };
const magic = 0xd00dfeed;

/** @throws ImageError if it is no device tree */
export function parseDeviceTree(blob: Buffer): DeviceNode[] {
  const no = (why: string) => new ImageError(`no device tree: ${why}`);
  if (blob.length < 40 || blob.readUInt32BE(0) !== magic) throw no("other first bytes");
  const text = (at: number) => {
    const end = blob.indexOf(0, at);
    if (end === -1) throw no("a name does not end");
    return blob.toString("latin1", at, end);
  };
  const strings = blob.readUInt32BE(12);
  const nodes: Open[] = [];
  const open: Open[] = [];
  let at = blob.readUInt32BE(8);
  const word = () => {
    if (at + 4 > blob.length) throw no("it ends too soon");
    at += 4;
    return blob.readUInt32BE(at - 4);
  };
  for (;;) {
    const kind = word();
    if (kind === token.nothing) continue;
    if (kind === token.over) return nodes.map(close);
    if (kind === token.begin) {
      const name = text(at);
      at = aligned(at + name.length + 1);
      const parent = open.at(-1);
      const path = parent === undefined ? "/" : `${parent.path === "/" ? "" : parent.path}/${name}`;
      const node: Open = { path, parent, properties: new Map() };
      nodes.push(node);
      open.push(node);
    } else if (kind === token.end) {
      open.pop();
    } else if (kind === token.property) {
      const [length, name] = [word(), word()];
      open.at(-1)?.properties.set(text(strings + name), blob.subarray(at, at + length));
      at = aligned(at + length);
    } else {
      throw no(`unknown token ${kind}`);
    }
  }
}

interface Open {
  readonly path: string;
  readonly parent: Open | undefined;
  readonly properties: Map<string, Buffer>;
  closed?: DeviceNode;
}

const aligned = (at: number) => (at + 3) & ~3;

/** Parents come before their children. */
function close(node: Open): DeviceNode {
  const { path, properties } = node;
  const parent = node.parent?.closed;
  const status = strings(properties.get("status"))[0] ?? "okay";
  const enabled = (status === "okay" || status === "ok") && (parent?.enabled ?? true);
  const compatible = strings(properties.get("compatible"));
  node.closed = { path, parent, compatible, enabled, properties };
  return node.closed;
}

function strings(value: Buffer | undefined): string[] {
  return value === undefined ? [] : value.toString("latin1").split("\0").slice(0, -1);
}

/** Properties that name suppliers, each with the property of the supplier that tells how many words follow. */
const references: readonly (readonly [RegExp, string | undefined])[] = [
  [/-supply$/, undefined],
  [/^pinctrl-\d+$/, undefined],
  [
    /^(interrupt-parent|msi-parent|mmc-pwrseq|phy-handle|nvmem-cells|firmware|memory-region)$/,
    undefined,
  ],
  [/^clocks$/, "#clock-cells"],
  [/^resets$/, "#reset-cells"],
  [/^phys$/, "#phy-cells"],
  [/^dmas$/, "#dma-cells"],
  [/^iommus$/, "#iommu-cells"],
  [/^power-domains$/, "#power-domain-cells"],
  [/^mboxes$/, "#mbox-cells"],
  [/(^|-)gpios?$/, "#gpio-cells"],
  [/^interrupts-extended$/, "#interrupt-cells"],
  [/^pwms$/, "#pwm-cells"],
  [/^io-channels$/, "#io-channel-cells"],
];

/**
 * What each node needs before its driver can work: regulators, clocks, GPIOs, pins and so on, and the bus it is on.
 * A part of a device, such as a group of pins, stands for the device.
 */
export function suppliers(
  nodes: readonly DeviceNode[],
): ReadonlyMap<DeviceNode, readonly DeviceNode[]> {
  const byHandle = new Map<number, DeviceNode>();
  for (const node of nodes) {
    const handle = node.properties.get("phandle");
    if (handle?.length === 4) byHandle.set(handle.readUInt32BE(0), node);
  }
  const found = new Map<DeviceNode, readonly DeviceNode[]>();
  for (const node of nodes) {
    const needed = new Set<DeviceNode>();
    const add = (one: DeviceNode | undefined) => {
      const device = deviceOf(one);
      if (device !== undefined && device !== node) needed.add(device);
    };
    add(node.parent);
    for (const [name, value] of node.properties) {
      const cells = references.find(([pattern]) => pattern.test(name));
      if (cells !== undefined) for (const one of named(value, cells[1], byHandle)) add(one);
    }
    found.set(node, [...needed]);
  }
  return found;
}

function deviceOf(node: DeviceNode | undefined): DeviceNode | undefined {
  let one = node;
  while (one !== undefined && one.compatible.length === 0) one = one.parent;
  return one;
}

function named(
  value: Buffer,
  cells: string | undefined,
  byHandle: ReadonlyMap<number, DeviceNode>,
): DeviceNode[] {
  const found: DeviceNode[] = [];
  for (let at = 0; at + 4 <= value.length; at += 4) {
    const node = byHandle.get(value.readUInt32BE(at));
    // A reference may be left empty (0).
    if (node === undefined) continue;
    found.push(node);
    const count = cells === undefined ? undefined : node.properties.get(cells);
    if (count?.length === 4) at += 4 * count.readUInt32BE(0);
  }
  return found;
}
