/** Which module drives what a board's device tree has, so that no list of modules need be right. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { type DeviceNode, parseDeviceTree, suppliers } from "./device-tree.ts";
import { ImageError } from "./run.ts";

/** What a kernel can drive. */
export interface KernelDrivers {
  /** By what a device is `compatible` with: names of modules. */
  readonly modules: ReadonlyMap<string, readonly string[]>;
  /** Whether a driver in the kernel itself takes it. */
  readonly builtIn: (compatible: string) => boolean;
}

/** @param modules folder of the kernel's modules. @param image the kernel */
export async function readDrivers(modules: string, image: string): Promise<KernelDrivers> {
  const text = await readFile(join(modules, "modules.alias"), "utf8");
  return { modules: aliases(text), builtIn: tables(unpackedKernel(await readFile(image), image)) };
}

/**
 * Lines such as `alias of:N*T*Cbrcm,genet-v5C* genet`. A USB device that is soldered to the board is in the tree too,
 * as `usb424,ec00`; its driver knows it as `alias usb:v0424pEC00d* smsc95xx`.
 */
export function aliases(text: string): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>();
  const hex = (digits: string) => Number.parseInt(digits, 16).toString(16);
  for (const line of text.split("\n")) {
    const tree = /^alias of:N[^C]*C(.+?)(?:C\*)? (\S+)$/.exec(line);
    const usb = /^alias usb:v([0-9A-F]{4})p([0-9A-F]{4})\S* (\S+)$/.exec(line);
    const compatible = usb === null ? tree?.[1] : `usb${hex(usb[1] ?? "")},${hex(usb[2] ?? "")}`;
    const module = usb?.[3] ?? tree?.[2];
    if (compatible === undefined || module === undefined) continue;
    const known = found.get(compatible) ?? [];
    if (!known.includes(module)) found.set(compatible, [...known, module]);
  }
  return found;
}

/**
 * Drivers in the kernel itself are on no list. Each has its table in the kernel's image, with entries of name and
 * type, 32 bytes each and mostly empty, and `compatible`, 128 bytes (`struct of_device_id`).
 */
export function tables(image: Buffer): (compatible: string) => boolean {
  return (compatible) => {
    const entry = Buffer.alloc(128);
    entry.write(compatible, "latin1");
    // All of it but the last byte, which is always 0 as well.
    for (let at = image.indexOf(entry); at !== -1; at = image.indexOf(entry, at + 1)) {
      if (at >= 64 && image[at - 1] === 0 && image[at - 33] === 0) return true;
    }
    return false;
  };
}

/** @throws ImageError if it is compressed otherwise than by gzip */
export function unpackedKernel(image: Buffer, name: string): Buffer {
  if (image.readUInt16BE(0) === 0x1f8b) return gunzipSync(image);
  if (image.toString("latin1", 56, 60) === "ARMd") return image;
  throw new ImageError(`${name} is no arm64 kernel, plain or compressed by gzip`);
}

export interface Driven {
  readonly node: DeviceNode;
  /** Modules that drive it; none, if the kernel itself does or nothing does. */
  readonly modules: readonly string[];
  readonly builtIn: boolean;
}

/** Nodes that describe a thing which no driver binds to. */
const passive = [
  /^(simple-bus|simple-mfd|cache|shared-dma-pool|linux,cma|nvmem-rmem|simple-framebuffer)$/,
  /^arm,cortex-/,
  /^fixed-partitions$/,
  /^operating-points/,
];

/** @returns every enabled device of the tree, but the machine itself and what takes no driver */
export function driven(nodes: readonly DeviceNode[], drivers: KernelDrivers): Driven[] {
  return nodes
    .filter(({ enabled, compatible, parent }) => enabled && compatible.length > 0 && parent)
    .filter(({ compatible }) => !compatible.some((one) => passive.some((kind) => kind.test(one))))
    .map((node) => ({
      node,
      // The first one that something drives: the kernel prefers what is more special.
      modules:
        node.compatible.map((one) => drivers.modules.get(one) ?? []).find((all) => all.length) ??
        [],
      builtIn: node.compatible.some(drivers.builtIn),
    }));
}

export interface TreeModules {
  /** For the disk and a TPM, with all that these need: the initramfs loads them. */
  readonly early: readonly string[];
  readonly all: readonly string[];
  /** Enabled, and driven by nothing. */
  readonly orphans: readonly string[];
  readonly devices: readonly Driven[];
}

/** Kinds of devices that must work before there is a root file system. */
const early = /^kernel\/drivers\/(mmc|ata|nvme|scsi|ufs|char\/tpm)\//;

/**
 * @param pathOf a module's path in the kernel's folder
 * @param without kinds of devices that the board leaves alone on purpose, as they are `compatible`
 */
export function treeModules(
  blob: Buffer,
  drivers: KernelDrivers,
  pathOf: (module: string) => string | undefined,
  without: readonly string[],
): TreeModules {
  const nodes = parseDeviceTree(blob);
  const needs = suppliers(nodes);
  const devices = driven(nodes, drivers).filter(
    ({ node }) => !node.compatible.some((one) => without.includes(one)),
  );
  const byNode = new Map(devices.map((one) => [one.node, one]));
  const names = (some: readonly Driven[]) => [...new Set(some.flatMap(({ modules }) => modules))];
  const wanted = new Set<Driven>();
  const add = (one: Driven | undefined) => {
    if (one === undefined || wanted.has(one)) return;
    wanted.add(one);
    for (const supplier of needs.get(one.node) ?? []) add(byNode.get(supplier));
  };
  for (const one of devices) {
    if (one.modules.some((module) => early.test(pathOf(module) ?? ""))) add(one);
  }
  return {
    early: names([...wanted]),
    all: names(devices),
    orphans: devices
      .filter(({ modules, builtIn }) => modules.length === 0 && !builtIn)
      .map(({ node }) => `${node.path} (${node.compatible.join(", ")})`),
    devices,
  };
}
