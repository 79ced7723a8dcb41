import test from "ava";
import { decodeCredit, decodeKeyHeader, decodeRefs } from "../../../../drivers/qmlp/blocks.ts";
import {
  capability,
  decodeHello,
  decodeWelcome,
  encodeWelcome,
} from "../../../../drivers/qmlp/hello.ts";
import { decodeEvent, decodeTelemetry } from "../../../../drivers/qmlp/telemetry.ts";
import { Fault } from "../../../../src/base/errors.ts";

function hexed(hex: string): Buffer {
  return Buffer.from(hex.replace(/\s/g, ""), "hex");
}

const told = {
  version: 1,
  role: "bob",
  window: 64,
  maxBody: 65_536,
  nonce: Buffer.alloc(8, 1),
  capabilities: capability.read,
  maxBlock: 1_048_576,
  moduleId: "B",
  matchingModuleId: "A",
  vendor: "v",
  model: "m",
  serial: "s",
  firmware: "f",
} as const;
const welcome = encodeWelcome(told);

test("figures and kinds that are not known are skipped, the others read", (t) => {
  // unknown id 999 as u32; qber as f32 0.25; unknown kind 0x60 (one byte) for id 2; NaN for id 3
  const body = hexed(`0100 0400 0000000000000000 e703 3201 01020304 0100 1201 0000803e
    0200 6001 07 0300 1201 0000c07f`);
  t.deepEqual(decodeTelemetry(body), { values: { qber: 0.25 } });
});

test("a body that is too short or out of range is a fault that names the message", (t) => {
  const empty = Buffer.alloc(0);
  const cases: [() => unknown, RegExp][] = [
    [() => decodeHello(empty), /HELLO/],
    [() => decodeWelcome(welcome.subarray(0, 29)), /WELCOME/],
    [() => decodeCredit(empty), /CREDIT/],
    [() => decodeRefs(Buffer.alloc(15), "RELEASED"), /RELEASED/],
    [() => decodeRefs(Buffer.alloc(16, 0xff), "READ"), /READ.*2\^53/],
    [() => decodeKeyHeader(Buffer.alloc(71)), /KEY/],
    [() => decodeTelemetry(hexed("010001000000000000000000 0100")), /TELEMETRY/],
    [() => decodeEvent(hexed("0900 0700 0100000000000000")), /EVENT/],
  ];
  for (const [act, message] of cases) t.throws(act, { instanceOf: Fault, message });
});

test("IDs of modules have no control characters, also where firmware pads them", (t) => {
  for (const moduleId of ["B\0\0", "A\0B", "B\n"]) {
    const message = "malformed WELCOME: module ID has control characters";
    t.throws(() => decodeWelcome(encodeWelcome({ ...told, moduleId })), { message });
    const matching = encodeWelcome({ ...told, matchingModuleId: moduleId });
    t.throws(() => decodeWelcome(matching), { message: /WELCOME: matching module ID has control/ });
  }
});
