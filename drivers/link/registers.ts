/**
 * The register window of a PCIe module: where what stands. `README.md` beside this file is the
 * document for the firmware at the other side.
 *
 * Everything is a little-endian 32-bit word unless said otherwise. All ones is what a PCIe bus reads
 * from a card that is not there any more.
 */
import { Fault } from "../../src/base/errors.ts";

/** Bytes of one channel's window; channel n begins at n times this. */
export const windowLength = 256;

export const register = {
  magic: 0x00,
  version: 0x04,
  status: 0x08,
  /** Written by the node: a number it draws, to have both streams emptied and counters zeroed. */
  open: 0x0c,
  /** The module's answer: the same number. Changes by itself when the module was reset. */
  opened: 0x10,
  temperature: 0x14,
  /** Bytes the module has put into its stream to the node since `opened`, modulo 2^32. */
  toNode: 0x20,
  /** Doorbell: bytes the node has put into its stream to the module since `opened`. */
  toModule: 0x24,
  /** 128 bytes of text, ended by NUL unless full: module ID. */
  moduleId: 0x40,
} as const;

const moduleIdLength = 128;
export const magic = 0x514d4c50;
/** Major in the upper half: another major is another map. */
export const mapVersion = 0x0001_0001;
const absent = 0xffff_ffff;

export const statusBit = {
  ready: 1,
  fault: 2,
  overTemperature: 4,
  zeroized: 8,
  interrupts: 16,
} as const;

/** What a window says about itself and the device behind it. */
export interface DeviceState {
  readonly version: string;
  readonly ready: boolean;
  readonly fault: boolean;
  readonly overTemperature: boolean;
  readonly zeroized: boolean;
  /** The card raises an interrupt whenever `toNode` has advanced. */
  readonly interrupts: boolean;
  /** °C of the card. */
  readonly temperature: number;
  readonly moduleId: string;
}

/** Whether a card answers at all behind this window. */
export function isPresent(window: Buffer): boolean {
  return window.length === windowLength && window.readUInt32LE(register.magic) !== absent;
}

/**
 * Reads a window.
 * @throws Fault `link.open` if it is not that of a QKD module
 */
export function readState(window: Buffer, source: string): DeviceState {
  const bad = (what: string) => new Fault("link.open", what, { source });
  if (window.length < windowLength) throw bad("register window too short");
  const found = window.readUInt32LE(register.magic);
  if (found === absent) throw bad("no card answers behind the register window");
  if (found !== magic) throw bad("register window is not that of a QKD module");
  const version = window.readUInt32LE(register.version);
  if (version >>> 16 !== mapVersion >>> 16) {
    throw new Fault("link.open", "register map of another version", {
      source,
      found: version >>> 16,
      expected: mapVersion >>> 16,
    });
  }
  const status = window.readUInt32LE(register.status);
  const text = window.toString("latin1", register.moduleId, register.moduleId + moduleIdLength);
  return {
    version: `${version >>> 16}.${version & 0xffff}`,
    ready: (status & statusBit.ready) !== 0,
    fault: (status & statusBit.fault) !== 0,
    overTemperature: (status & statusBit.overTemperature) !== 0,
    zeroized: (status & statusBit.zeroized) !== 0,
    interrupts: (status & statusBit.interrupts) !== 0,
    temperature: window.readInt32LE(register.temperature) / 1_000,
    // Printable ASCII only: this goes to logs and screens.
    moduleId: text.split("\0", 1)[0]?.replace(/[^\x20-\x7e]/g, "?") ?? "",
  };
}

/** What a module writes into its window. */
export function writeState(window: Buffer, state: Omit<DeviceState, "version">): void {
  window.writeUInt32LE(magic, register.magic);
  window.writeUInt32LE(mapVersion, register.version);
  const bits =
    (state.ready ? statusBit.ready : 0) |
    (state.fault ? statusBit.fault : 0) |
    (state.overTemperature ? statusBit.overTemperature : 0) |
    (state.zeroized ? statusBit.zeroized : 0) |
    (state.interrupts ? statusBit.interrupts : 0);
  window.writeUInt32LE(bits, register.status);
  window.writeInt32LE(Math.round(state.temperature * 1_000), register.temperature);
  window.fill(0, register.moduleId, register.moduleId + moduleIdLength);
  window.write(state.moduleId, register.moduleId, moduleIdLength, "latin1");
}
