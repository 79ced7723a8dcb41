/** The reports between chassis controller and host, byte for byte (README.md, "Reports"). */
import { crc32 } from "node:zlib";
import { Fault } from "../../src/base/errors.ts";

export const version = 1;
/** Every report, its ID included, bytes. */
export const reportLength = 32;
const crcAt = reportLength - 4;

export const reportId = { status: 0x01, identity: 0x02, host: 0x10 } as const;

const input = { button: 1, maintenance: 2 } as const;
const flag = { powerLow: 1, memoryLost: 2, selfTestFailed: 4 } as const;

/** How the controller is; told at once when that changes, and every 250 ms. */
export interface Status {
  /** Counts the status reports, modulo 65,536. */
  readonly sequence: number;
  /** Another one each time the controller starts. */
  readonly boot: number;
  readonly button: boolean;
  readonly maintenance: boolean;
  /** Contacts as bits: those that are there, are open, have opened since they were cleared. */
  readonly fitted: number;
  readonly open: number;
  readonly latched: number;
  /** How often the button was pressed, modulo 256. */
  readonly presses: number;
  /** The supply of its memory runs low. */
  readonly powerLow: boolean;
  /** Its memory was lost: a contact may have opened unnoticed. */
  readonly memoryLost: boolean;
  readonly selfTestFailed: boolean;
  /** `sequence` of the last host report that was good. */
  readonly echo: number;
  /** Host reports that were not, modulo 65,536. */
  readonly hostErrors: number;
}

export interface Identity {
  readonly firmware: string;
  readonly serial: string;
}

/** Lamps, in the order of their bytes. */
export const lamps = ["node", "supply", "alarm", "tamper", "maintenance", "zeroize"] as const;
export type Lamp = (typeof lamps)[number];

export const colours = ["off", "green", "amber", "red"] as const;
export const rhythms = ["steady", "slow", "fast"] as const;
export interface Light {
  readonly colour: (typeof colours)[number];
  /** `slow`: once a second; `fast`: four times. */
  readonly rhythm: (typeof rhythms)[number];
}
export type Lights = Readonly<Record<Lamp, Light>>;

/** What the host tells, at once when it changes, and every 250 ms. */
export interface Host {
  readonly sequence: number;
  readonly lights: Lights;
  /** The controller is to tell who it is. */
  readonly identify: boolean;
  /** Latches that it is to clear, as bits; those of open contacts stay. */
  readonly clear: number;
  /** It is to forget that its memory was lost. */
  readonly clearMemoryLost: boolean;
}

const command = { identify: 1, clearMemoryLost: 2 } as const;

export type Report =
  | ({ readonly kind: "status" } & Status)
  | ({ readonly kind: "identity" } & Identity)
  | ({ readonly kind: "host" } & Host);

/**
 * Reads a report of either side.
 * @returns undefined for a kind of report that this version does not know
 * @throws Fault `panel.report`
 */
export function decode(bytes: Buffer): Report | undefined {
  if (bytes.length !== reportLength) {
    throw bad("report of another length", { bytes: bytes.length, expected: reportLength });
  }
  if (bytes.readUInt32LE(crcAt) !== crc32(bytes.subarray(0, crcAt))) throw bad("wrong CRC-32");
  const spoken = bytes.readUInt8(1);
  if (spoken !== version) throw bad("another version", { version: spoken, expected: version });
  switch (bytes.readUInt8(0)) {
    case reportId.status:
      return { kind: "status", ...decodeStatus(bytes) };
    case reportId.identity:
      return { kind: "identity", ...decodeIdentity(bytes) };
    case reportId.host:
      return { kind: "host", ...decodeHost(bytes) };
    default:
      return undefined;
  }
}

function decodeStatus(bytes: Buffer): Status {
  const inputs = bytes.readUInt8(8);
  const flags = bytes.readUInt8(12);
  const fitted = bytes.readUInt8(11);
  return {
    sequence: bytes.readUInt16LE(2),
    boot: bytes.readUInt32LE(4),
    button: (inputs & input.button) !== 0,
    maintenance: (inputs & input.maintenance) !== 0,
    fitted,
    // A contact that is not there can't be open, whatever its pin says.
    open: bytes.readUInt8(9) & fitted,
    latched: bytes.readUInt8(10) & fitted,
    presses: bytes.readUInt8(13),
    powerLow: (flags & flag.powerLow) !== 0,
    memoryLost: (flags & flag.memoryLost) !== 0,
    selfTestFailed: (flags & flag.selfTestFailed) !== 0,
    echo: bytes.readUInt16LE(14),
    hostErrors: bytes.readUInt16LE(16),
  };
}

function decodeIdentity(bytes: Buffer): Identity {
  const [major, minor, patch] = [bytes.readUInt8(4), bytes.readUInt8(5), bytes.readUInt8(6)];
  const serial = bytes.subarray(8, 24).toString("latin1").replace(/\0+$/, "");
  if (!/^[\x21-\x7e]{0,16}$/.test(serial)) throw bad("serial number is not plain text");
  return { firmware: `${major}.${minor}.${patch}`, serial };
}

function decodeHost(bytes: Buffer): Host {
  const lights = lamps.map((lamp, i) => [lamp, light(bytes.readUInt8(4 + i))] as const);
  const commands = bytes.readUInt8(10);
  return {
    sequence: bytes.readUInt16LE(2),
    lights: Object.fromEntries(lights) as Record<Lamp, Light>,
    identify: (commands & command.identify) !== 0,
    clearMemoryLost: (commands & command.clearMemoryLost) !== 0,
    clear: bytes.readUInt8(11),
  };
}

function light(byte: number): Light {
  const colour = colours[byte & 0x0f];
  const rhythm = rhythms[byte >> 4];
  if (colour === undefined || rhythm === undefined)
    throw bad("a light that there is not", { byte });
  return { colour, rhythm };
}

export function encodeStatus(status: Status): Buffer {
  const bytes = begin(reportId.status, status.sequence);
  bytes.writeUInt32LE(status.boot, 4);
  bytes.writeUInt8(bits(input, { button: status.button, maintenance: status.maintenance }), 8);
  bytes.writeUInt8(status.open, 9);
  bytes.writeUInt8(status.latched, 10);
  bytes.writeUInt8(status.fitted, 11);
  const { powerLow, memoryLost, selfTestFailed } = status;
  bytes.writeUInt8(bits(flag, { powerLow, memoryLost, selfTestFailed }), 12);
  bytes.writeUInt8(status.presses, 13);
  bytes.writeUInt16LE(status.echo, 14);
  bytes.writeUInt16LE(status.hostErrors, 16);
  return end(bytes);
}

/** @param identity firmware `MAJOR.MINOR.PATCH`; serial of at most 16 ASCII characters */
export function encodeIdentity({ firmware, serial }: Identity): Buffer {
  const bytes = begin(reportId.identity, 0);
  firmware.split(".").forEach((part, i) => {
    bytes.writeUInt8(Number(part), 4 + i);
  });
  bytes.write(serial, 8, 16, "latin1");
  return end(bytes);
}

export function encodeHost(host: Host): Buffer {
  const bytes = begin(reportId.host, host.sequence);
  lamps.forEach((lamp, i) => {
    const { colour, rhythm } = host.lights[lamp];
    bytes.writeUInt8(colours.indexOf(colour) | (rhythms.indexOf(rhythm) << 4), 4 + i);
  });
  const { identify, clearMemoryLost } = host;
  bytes.writeUInt8(bits(command, { identify, clearMemoryLost }), 10);
  bytes.writeUInt8(host.clear, 11);
  return end(bytes);
}

function begin(id: number, sequence: number): Buffer {
  const bytes = Buffer.alloc(reportLength);
  bytes.writeUInt8(id, 0);
  bytes.writeUInt8(version, 1);
  bytes.writeUInt16LE(sequence, 2);
  return bytes;
}

function end(bytes: Buffer): Buffer {
  bytes.writeUInt32LE(crc32(bytes.subarray(0, crcAt)), crcAt);
  return bytes;
}

function bits<Name extends string>(
  places: Readonly<Record<Name, number>>,
  set: Readonly<Record<Name, boolean>>,
): number {
  return (Object.keys(places) as Name[]).reduce((all, n) => all | (set[n] ? places[n] : 0), 0);
}

function bad(message: string, facts: Readonly<Record<string, number>> = {}): Fault {
  return new Fault("panel.report", message, facts);
}

/** Contacts as numbers from 0, of their bits. */
export function contactsOf(mask: number): number[] {
  return [0, 1, 2, 3, 4, 5, 6, 7].filter((contact) => (mask & (1 << contact)) !== 0);
}

/**
 * The HID report descriptor: one vendor-defined collection with two input reports and one output
 * report of 31 bytes beside their IDs.
 */
export const reportDescriptor = Buffer.from(
  [
    "06 51 ff", // Usage Page (vendor-defined 0xFF51)
    "09 01", // Usage (1)
    "a1 01", // Collection (Application)
    "15 00 26 ff 00", //   Logical Minimum (0), Logical Maximum (255)
    "75 08 95 1f", //   Report Size (8), Report Count (31)
    "85 01 09 02 81 02", //   Report ID (1), Usage (2), Input (Data, Variable, Absolute)
    "85 02 09 03 81 02", //   Report ID (2), Usage (3), Input
    "85 10 09 04 91 02", //   Report ID (16), Usage (4), Output
    "c0", // End Collection
  ]
    .join(" ")
    .replaceAll(" ", ""),
  "hex",
);
