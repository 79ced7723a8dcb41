/**
 * The kernel's interface for HID devices made in user space, `struct uhid_event` of linux/uhid.h: a
 * type, and a packed structure that depends on it, in the machine's own byte order (little-endian on
 * arm64 and amd64). A short write is taken as if zeros followed.
 */

export const uhid = {
  destroy: 1,
  start: 2,
  stop: 3,
  open: 4,
  close: 5,
  output: 6,
  getReport: 9,
  getReportReply: 10,
  create2: 11,
  input2: 12,
  setReport: 13,
  setReportReply: 14,
} as const;

const dataMax = 4_096;
/** Longer than any event, bytes. */
export const eventLength = 4 + 4 + 2 + 2 + dataMax + 512;
const busUsb = 3;
const eio = 5;

export interface DeviceFacts {
  readonly name: string;
  readonly serial: string;
  readonly vendor: number;
  readonly product: number;
  readonly descriptor: Buffer;
}

/** UHID_CREATE2: name[128] phys[64] uniq[64] rd_size bus vendor product version country rd_data[]. */
export function create2({ name, serial, vendor, product, descriptor }: DeviceFacts): Buffer {
  const head = 4 + 128 + 64 + 64;
  const event = Buffer.alloc(head + 20 + dataMax);
  event.writeUInt32LE(uhid.create2, 0);
  event.write(name, 4, 127);
  event.write(serial, 4 + 128 + 64, 63);
  event.writeUInt16LE(descriptor.length, head);
  event.writeUInt16LE(busUsb, head + 2);
  event.writeUInt32LE(vendor, head + 4);
  event.writeUInt32LE(product, head + 8);
  descriptor.copy(event, head + 20);
  return event;
}

/** UHID_INPUT2: size data[]. */
export function input2(report: Buffer): Buffer {
  const event = Buffer.alloc(6 + report.length);
  event.writeUInt32LE(uhid.input2, 0);
  event.writeUInt16LE(report.length, 4);
  report.copy(event, 6);
  return event;
}

export function destroy(): Buffer {
  const event = Buffer.alloc(4);
  event.writeUInt32LE(uhid.destroy, 0);
  return event;
}

export type UhidEvent =
  | { readonly kind: "start" | "stop" | "open" | "close" | "other" }
  /** A report for the device, its ID first. */
  | { readonly kind: "output"; readonly report: Buffer }
  /** The kernel waits for {@link refusal} of it: there are no feature reports. */
  | { readonly kind: "get" | "set"; readonly id: number };

/** An event as the kernel gave it; what is short is taken as if zeros followed. */
export function parse(bytes: Buffer): UhidEvent {
  const event = Buffer.alloc(eventLength);
  bytes.copy(event);
  switch (event.readUInt32LE(0)) {
    case uhid.start:
      return { kind: "start" };
    case uhid.stop:
      return { kind: "stop" };
    case uhid.open:
      return { kind: "open" };
    case uhid.close:
      return { kind: "close" };
    case uhid.output: {
      // data[4096] size rtype
      const size = Math.min(event.readUInt16LE(4 + dataMax), dataMax);
      return { kind: "output", report: Buffer.from(event.subarray(4, 4 + size)) };
    }
    case uhid.getReport:
      return { kind: "get", id: event.readUInt32LE(4) };
    case uhid.setReport:
      return { kind: "set", id: event.readUInt32LE(4) };
    default:
      return { kind: "other" };
  }
}

/** UHID_GET_REPORT_REPLY or UHID_SET_REPORT_REPLY with an error: id err (size data[]). */
export function refusal(kind: "get" | "set", id: number): Buffer {
  const event = Buffer.alloc(12);
  event.writeUInt32LE(kind === "get" ? uhid.getReportReply : uhid.setReportReply, 0);
  event.writeUInt32LE(id, 4);
  event.writeUInt16LE(eio, 8);
  return event;
}
