import { readdirSync, readFileSync } from "node:fs";
import { crc32 } from "node:zlib";
import test from "ava";
import {
  contactsOf,
  decode,
  encodeHost,
  encodeIdentity,
  encodeStatus,
  type Host,
  type Light,
  lamps,
  type Report,
  reportDescriptor,
  reportLength,
} from "../../../../drivers/panel/report.ts";
import { Unframer } from "../../../../drivers/panel/socket-device.ts";
import { Fault } from "../../../../src/base/errors.ts";
import {
  decodeNode,
  decodePanel,
  encodeLine,
  Lines,
  longestLine,
} from "../../../../src/port/panel.ts";
import {
  create2,
  eventLength,
  input2,
  parse,
  refusal,
} from "../../../emulator/panel/uhid-events.ts";
import { random } from "../../../random.ts";

const folder = new URL("../../../fixtures/panel/", import.meta.url);

function vector(name: string): Buffer {
  const text = readFileSync(new URL(`${name}.hex`, folder), "utf8");
  return Buffer.from(text.replace(/#.*/g, "").replace(/\s/g, ""), "hex");
}

const light = (colour: Light["colour"], rhythm: Light["rhythm"] = "steady") => ({ colour, rhythm });
const quiet = {
  kind: "status",
  sequence: 1,
  boot: 7,
  button: false,
  maintenance: false,
  fitted: 0x0f,
  open: 0,
  latched: 0,
  presses: 0,
  powerLow: false,
  memoryLost: false,
  selfTestFailed: false,
  echo: 0,
  hostErrors: 0,
} as const;
const lights = (...all: Light[]) =>
  Object.fromEntries(lamps.map((lamp, i) => [lamp, all[i]])) as Host["lights"];

/** What README.md says that these bytes are. */
const vectors: Readonly<Record<string, Report>> = {
  "status-quiet": quiet,
  "status-tamper": { ...quiet, sequence: 513, open: 2, latched: 6, echo: 258 },
  "status-button": {
    ...quiet,
    sequence: 65_535,
    boot: 0xdeadbeef,
    button: true,
    maintenance: true,
    fitted: 255,
    presses: 3,
    echo: 65_534,
    hostErrors: 1,
  },
  "status-blind": {
    ...quiet,
    sequence: 2,
    boot: 8,
    fitted: 1,
    powerLow: true,
    memoryLost: true,
    selfTestFailed: true,
    presses: 255,
    hostErrors: 65_535,
  },
  identity: { kind: "identity", firmware: "1.20.3", serial: "PANEL-0001" },
  "identity-long": { kind: "identity", firmware: "255.0.255", serial: "ABCDEFGHIJKLMNOP" },
  "host-ok": {
    kind: "host",
    sequence: 1,
    lights: lights(
      light("green"),
      light("green"),
      light("off"),
      light("off"),
      light("off"),
      light("off"),
    ),
    identify: true,
    clear: 0,
    clearMemoryLost: false,
  },
  "host-tamper": {
    kind: "host",
    sequence: 2,
    lights: lights(
      light("green"),
      light("amber"),
      light("red"),
      light("red"),
      light("amber"),
      light("red", "slow"),
    ),
    identify: false,
    clear: 0,
    clearMemoryLost: false,
  },
  "host-clear": {
    kind: "host",
    sequence: 300,
    lights: lights(
      light("red", "slow"),
      light("off"),
      light("amber"),
      light("red", "fast"),
      light("off"),
      light("amber", "fast"),
    ),
    identify: false,
    clear: 255,
    clearMemoryLost: true,
  },
};

function encode(report: Report): Buffer {
  if (report.kind === "status") return encodeStatus(report);
  return report.kind === "identity" ? encodeIdentity(report) : encodeHost(report);
}

for (const [name, report] of Object.entries(vectors)) {
  test(`the report ${name} is read and written as documented`, (t) => {
    t.deepEqual(decode(vector(name)), report);
    t.deepEqual(encode(report), vector(name));
  });
}

test("every vector is tried", (t) => {
  const files = readdirSync(folder).filter((file) => file.endsWith(".hex"));
  t.deepEqual(files.map((file) => file.replace(".hex", "")).sort(), Object.keys(vectors).sort());
});

/** Writes the CRC that makes a report good, whatever is in it. */
function signed(bytes: Buffer): Buffer {
  bytes.writeUInt32LE(crc32(bytes.subarray(0, reportLength - 4)), reportLength - 4);
  return bytes;
}

test("a report of another version, with damage, or of another length is refused by name", (t) => {
  const good = vector("status-tamper");
  const why = (bytes: Buffer) => t.throws(() => decode(bytes), { instanceOf: Fault })?.message;
  for (let bit = 0; bit < good.length * 8; bit++) {
    const bytes = Buffer.from(good);
    bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7));
    t.is(why(bytes), "wrong CRC-32");
  }
  for (const length of [0, 1, 31, 33, 64])
    t.is(why(Buffer.alloc(length)), "report of another length");
  const other = Buffer.from(good);
  other[1] = 2;
  t.is(why(signed(other)), "another version");
  const dark = Buffer.from(vector("host-ok"));
  dark[4] = 0x31;
  t.is(why(signed(dark)), "a light that there is not");
  const unknown = Buffer.from(good);
  unknown[0] = 0x33;
  t.is(decode(signed(unknown)), undefined, "a report that a later version may have is left alone");
});

test("reserved bytes and bits are ignored, contacts that are not fitted are never open", (t) => {
  const bytes = Buffer.from(vector("status-tamper"));
  bytes.fill(0xff, 18, 28);
  bytes[8] = 0xfc;
  bytes[9] = 0xf2;
  bytes[12] = 0xf8;
  t.deepEqual(decode(signed(bytes)), vectors["status-tamper"]);
  t.deepEqual(contactsOf(0b1000_0101), [0, 2, 7]);
});

test("a hundred thousand random reports are read or refused, and nothing else happens", (t) => {
  const next = random(20_260_731);
  let read = 0;
  let refused = 0;
  for (let i = 0; i < 100_000; i++) {
    const length = next() < 0.1 ? Math.floor(next() * 80) : reportLength;
    let bytes: Buffer = Buffer.alloc(length);
    for (let at = 0; at < length; at++) bytes[at] = Math.floor(next() * 256);
    // Half of them with what a random one never has: the right version, ID, and CRC.
    if (i % 2 === 0 && length === reportLength) {
      bytes[0] = [1, 2, 16, 77][Math.floor(next() * 4)] as number;
      bytes[1] = 1;
      bytes = signed(bytes);
    }
    try {
      const report = decode(bytes);
      read++;
      if (report?.kind === "status") t.is(report.open & ~report.fitted, 0);
    } catch (error) {
      if (!(error instanceof Fault) || error.code !== "panel.report") throw error;
      refused++;
    }
  }
  t.true(read > 10_000 && refused > 50_000, `${read} read, ${refused} refused`);
});

test("reports come out of a stream whole, however it is cut", (t) => {
  const reports = Object.keys(vectors).map(vector);
  const stream = Buffer.concat(
    reports.map((one) => Buffer.concat([Buffer.from([one.length]), one])),
  );
  for (let cut = 0; cut <= stream.length; cut++) {
    const unframer = new Unframer();
    const found: Buffer[] = [];
    for (const part of [stream.subarray(0, cut), stream.subarray(cut)]) {
      unframer.push(part, (report) => found.push(report));
    }
    t.deepEqual(found, reports);
  }
});

const panel = {
  v: 1,
  from: "panel",
  open: [1],
  latched: [1, 2],
  blind: false,
  maintenance: true,
  malformed: 3,
} as const;

test("lines between panel and node are read back, and whatever else is refused", (t) => {
  const message = { ...panel, open: [...panel.open], latched: [...panel.latched] };
  t.deepEqual(decodePanel(encodeLine(message).subarray(0, -1)), message);
  const refused: [unknown, RegExp][] = [
    ["no", /no message/],
    [{ ...panel, v: 2 }, /different versions/],
    [{ ...panel, from: "node" }, /no message/],
    [{ ...panel, open: [8] }, /no message/],
    [{ ...panel, open: [1.5] }, /no message/],
    [{ ...panel, latched: Array(9).fill(0) }, /no message/],
    [{ ...panel, zeroize: "a b" }, /no message/],
    [{ ...panel, malformed: -1 }, /no message/],
    [{ ...panel, lost: "x".repeat(201) }, /no message/],
    [null, /no message/],
  ];
  for (const [value, pattern] of refused) {
    const line = Buffer.from(JSON.stringify(value));
    const error = t.throws(() => decodePanel(line), { instanceOf: Fault });
    t.regex(error?.message ?? "", pattern);
  }
  t.throws(() => decodePanel(Buffer.from("{")), { message: "a line that is not JSON" });
  t.throws(() => decodeNode(Buffer.from(JSON.stringify(panel))), { instanceOf: Fault });
});

test("lines come out of a stream whole; one that does not end is refused, and not kept", (t) => {
  const text = Buffer.from('{"a":1}\n\n{"b":2}\n');
  for (let cut = 0; cut <= text.length; cut++) {
    const lines = new Lines();
    const found: string[] = [];
    for (const part of [text.subarray(0, cut), text.subarray(cut)]) {
      lines.push(part, (line) => found.push(line.toString()));
    }
    t.deepEqual(found, ['{"a":1}', "", '{"b":2}']);
  }
  const endless = new Lines();
  endless.push(Buffer.alloc(longestLine - 1, 97), () => t.fail());
  t.throws(() => endless.push(Buffer.from("a"), () => t.fail()), { message: "line too long" });
  t.throws(() => new Lines().push(Buffer.from(`${"a".repeat(longestLine)}\n`), () => t.fail()));
});

test("the HID report descriptor declares the three reports, and no length but 31 bytes", (t) => {
  // Short items: the two lowest bits of the prefix say how long the data is (HID 1.11 §6.2.2.2).
  const found: Record<string, number[]> = {};
  for (let at = 0; at < reportDescriptor.length; ) {
    const prefix = reportDescriptor[at] as number;
    const size = [0, 1, 2, 4][prefix & 3] as number;
    const value = size === 0 ? 0 : reportDescriptor.readUIntLE(at + 1, size);
    const name = (prefix & 0xfc).toString(16);
    found[name] = [...(found[name] ?? []), value];
    at += 1 + size;
  }
  t.deepEqual(found["84"], [1, 2, 16], "Report IDs");
  t.deepEqual(found["94"], [31], "Report Count");
  t.deepEqual(found["74"], [8], "Report Size");
  t.is(found["80"]?.length, 2, "Input");
  t.is(found["90"]?.length, 1, "Output");
  t.deepEqual(found["4"], [0xff51], "Usage Page");
});

test("uhid events have the layout of linux/uhid.h", (t) => {
  const descriptor = reportDescriptor;
  const facts = { name: "panel", serial: "S1", vendor: 0x1209, product: 1, descriptor };
  const event = create2(facts);
  // sizeof(__u32) + sizeof(struct uhid_create2_req), packed.
  t.is(event.length, 4 + 128 + 64 + 64 + 2 + 2 + 4 * 4 + 4_096);
  t.is(event.readUInt32LE(0), 11);
  t.is(event.toString("latin1", 4, 9), "panel");
  t.is(event.toString("latin1", 196, 198), "S1");
  t.is(event.readUInt16LE(260), descriptor.length);
  t.is(event.readUInt16LE(262), 3);
  t.is(event.readUInt32LE(264), 0x1209);
  t.deepEqual(event.subarray(280, 280 + descriptor.length), descriptor);
  t.is(input2(Buffer.from("abc")).toString("hex"), "0c0000000300616263");
  const output = Buffer.alloc(4 + 4_096 + 3);
  output.writeUInt32LE(6, 0);
  output.write("\x10xyz", 4);
  output.writeUInt16LE(4, 4_100);
  t.deepEqual(parse(output), { kind: "output", report: Buffer.from("\x10xyz") });
  t.deepEqual(parse(Buffer.from("03000000", "hex")), { kind: "stop" });
  t.deepEqual(parse(Buffer.from("0900000007000000", "hex")), { kind: "get", id: 7 });
  t.is(refusal("set", 9).toString("hex"), "0e000000090000000500000" + "0");
  t.true(eventLength >= output.length);
});
