import { readFileSync } from "node:fs";
import test from "ava";
import {
  decodeEnvelope,
  decodeMessage,
  encodeEnvelope,
  encodeMessage,
} from "../../../../src/wire/ck/grpc.ts";
import type { CkMessage } from "../../../../src/wire/ck/messages.ts";
import { Parts } from "../../../../src/wire/ck/part.ts";
import { linksIn } from "../../../../src/wire/ck/report.ts";
import { messageTypes, specOf, typeOfCode } from "../../../../src/wire/ck/table.ts";
import { decodePayload, encodeFrames } from "../../../../src/wire/ck/tcp.ts";
import { samples } from "../../../rig/ck-samples.ts";

const files: readonly (readonly [string, CkMessage])[] = [
  ["key-relay-next-hop-request", samples.nextHopRequest],
  ["response-to-key-relay-next-hop-request", samples.nextHopResponse],
  ["key-relay-request-notification", samples.relayNotification],
  ["key-relay-request", samples.relayRequest],
  ["response-to-key-relay-request", samples.relayResponse],
  ["response-to-key-relay-request-failed", { ...samples.relayResponse, response: "relay_failed" }],
  ["session-creation-request", samples.sessionRequest],
  ["response-to-session-creation-request", samples.sessionResponse],
  ["session-creation-notification", samples.sessionNotification],
  ["response-to-session-creation-notification", samples.sessionNotificationResponse],
  ["key-reservation-request", samples.reservationRequest],
  ["response-to-key-reservation-request", samples.reservationResponse],
  ["key-allocation-request", samples.allocationRequest],
  ["response-to-key-allocation-request", samples.allocationResponse],
  ["report", samples.report],
  ["response-to-report", samples.reportResponse],
];

function vector(name: string): { readonly tcp: Buffer; readonly grpc: Buffer } {
  const text = readFileSync(new URL(`../../../fixtures/ck/${name}.hex`, import.meta.url), "utf8");
  const [tcp = "", grpc = ""] = text
    .replace(/#.*/g, "")
    .split("--")
    .map((part) => part.replace(/\s/g, ""));
  return { tcp: Buffer.from(tcp, "hex"), grpc: Buffer.from(grpc, "hex") };
}

test("there is a vector of each message", (t) => {
  const there = new Set(files.map(([, { type }]) => type));
  t.deepEqual(
    messageTypes.filter((type) => !there.has(type)),
    [],
  );
});

for (const [name, message] of files) {
  test(`${name} over TCP, in both directions`, (t) => {
    const { tcp } = vector(name);
    const type = typeOfCode(tcp.readUInt16BE(6));
    t.is(type, message.type);
    t.is(tcp.readUInt16BE(8), tcp.length - 10);
    t.deepEqual(encodeFrames(message, tcp.readUInt32BE(2)), [tcp]);
    const part = decodePayload(message.type, tcp.subarray(10));
    t.deepEqual(new Parts().add(1, part, 0), message);
  });

  test(`${name} over gRPC, in both directions`, (t) => {
    const { tcp, grpc } = vector(name);
    const messageId = tcp.readUInt32BE(2);
    t.deepEqual(Buffer.from(encodeEnvelope(message, messageId)), grpc);
    t.deepEqual(decodeEnvelope(grpc), { messageId, message });
    t.deepEqual(decodeMessage(message.type, encodeMessage(message)), message);
  });
}

test("codes tell who sends a message, as Table I.1 has them", (t) => {
  const codes = messageTypes.map((type) => specOf[type].code);
  t.is(new Set(codes).size, codes.length);
  for (const type of messageTypes) {
    const { code, from } = specOf[type];
    t.is(code >> 8, from === "km" ? 0x14 : 0x41, type);
  }
});

test("an answer comes from the other side, and numbers of fields are there once", (t) => {
  const numbers = messageTypes.map((type) => specOf[type].no);
  t.is(new Set(numbers).size, numbers.length);
  for (const type of messageTypes) {
    const { answer, from, fields } = specOf[type];
    const answering = messageTypes.find((one) => one === answer);
    if (answering !== undefined) t.not(specOf[answering].from, from, type);
    const own = Object.values(fields).flatMap(({ no, textNo }) => [no, textNo ?? []].flat());
    t.is(new Set(own).size, own.length, type);
  }
});

test("a report tells of links", (t) => {
  t.deepEqual(linksIn(samples.report), [
    {
      peer: "kma-b",
      up: true,
      stock: 1_048_576,
      rate: 2_500,
      consumption: 512.5,
      qber: 0.0316,
      alarms: [{ name: "qber_high", severity: "major" }],
    },
  ]);
});
