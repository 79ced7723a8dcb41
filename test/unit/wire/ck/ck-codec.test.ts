import { BinaryWriter } from "@bufbuild/protobuf/wire";
import test from "ava";
import { checkAnswer, refusalOf, refuse, transitOf } from "../../../../src/wire/ck/check.ts";
import {
  decodeEnvelope,
  decodeMessage,
  encodeEnvelope,
  encodeMessage,
} from "../../../../src/wire/ck/grpc.ts";
import type { CkMessage } from "../../../../src/wire/ck/messages.ts";
import { limits } from "../../../../src/wire/ck/names.ts";
import { Parts } from "../../../../src/wire/ck/part.ts";
import { linkExtension, linksIn } from "../../../../src/wire/ck/report.ts";
import { type MessageType, messageTypes, specOf } from "../../../../src/wire/ck/table.ts";
import { decodePayload, encodeFrames } from "../../../../src/wire/ck/tcp.ts";
import { faultOf } from "../../../fault-of.ts";
import { allSamples, samples } from "../../../rig/ck-samples.ts";

const read = (type: MessageType, json: unknown) => {
  const text = typeof json === "string" ? json : JSON.stringify(json);
  return new Parts().add(1, decodePayload(type, Buffer.from(text)), 0);
};
const payloadOf = (message: CkMessage) =>
  JSON.parse(encodeFrames(message, 1)[0]?.subarray(10).toString() ?? "");
/** The message over TCP, with other members. */
const changed = (message: CkMessage, members: object) =>
  read(message.type, { ...payloadOf(message), ...members });

test("members that are not of the message are passed over, and null or an empty text is none", (t) => {
  const { destinationApp: _, ...bare } = samples.nextHopRequest;
  const more = { colour: [{}], application_destination_id: null, extension: [] };
  t.deepEqual(changed(samples.nextHopRequest, more), bare);
  t.deepEqual(changed(samples.nextHopRequest, { application_destination_id: "" }), bare);
});

test("what the draft gives two types for is read as either", (t) => {
  const text = { key_ids: samples.allocationRequest.keyIds[0] };
  const one = {
    ...samples.allocationRequest,
    keyIds: samples.allocationRequest.keyIds.slice(0, 1),
  };
  t.deepEqual(changed(samples.allocationRequest, text), one);
  const texts = { key_ids: samples.allocationRequest.keyIds };
  t.deepEqual(changed(samples.allocationRequest, texts), samples.allocationRequest);
  t.deepEqual(changed(samples.relayRequest, { transit_kma_ids: "kma-b" }), samples.relayRequest);
  for (const success of [0, "success", "Success", "OK"]) {
    t.deepEqual(changed(samples.relayResponse, { response: success }), samples.relayResponse);
  }
  for (const [told, response] of [
    [1, "result_code 1"],
    ["no fibre", "no fibre"],
  ]) {
    const failed = changed(samples.relayResponse, { response: told });
    t.deepEqual(failed, { ...samples.relayResponse, response });
  }
});

test("the route is told with or without its ends", (t) => {
  const { relayRequest } = samples;
  for (const transitKmas of [["kma-b"], ["kma-b", "kma-c"], ["kma-a", "kma-b", "kma-c"]]) {
    t.deepEqual(transitOf({ ...relayRequest, transitKmas }), ["kma-b"]);
  }
  const { destinationKma: _, ...unnamed } = relayRequest;
  t.deepEqual(transitOf({ ...unnamed, transitKmas: ["kma-b", "kma-c"] }, "kma-c"), ["kma-b"]);
});

test("each member that is missing, of another type or out of its range is named, with limit and clause", (t) => {
  const long = "x".repeat(limits.id + 1);
  const cases: readonly (readonly [CkMessage, object, string, number?])[] = [
    [samples.nextHopRequest, { source_kma_id: 7 }, "source_kma_id"],
    [samples.nextHopRequest, { source_kma_id: "a\nb" }, "source_kma_id"],
    [samples.nextHopRequest, { source_kma_id: "\ud800" }, "source_kma_id"],
    [samples.nextHopRequest, { source_kma_id: long }, "source_kma_id", limits.id],
    [
      samples.nextHopRequest,
      { destination_kma_id: null, application_destination_id: null },
      "destination_kma_id or application_destination_id",
    ],
    [samples.nextHopResponse, { next_kma_ids: null }, "next_kma_ids"],
    [samples.nextHopResponse, { next_kma_ids: {} }, "next_kma_ids"],
    [samples.nextHopResponse, { next_kma_ids: ["a", ""] }, "next_kma_ids"],
    [samples.nextHopResponse, { next_kma_ids: Array(65).fill("a") }, "next_kma_ids", limits.kmas],
    [samples.relayRequest, { transit_kma_ids: null }, "transit_kma_ids"],
    [samples.relayResponse, { response: null }, "response"],
    [samples.relayResponse, { response: true }, "response"],
    [samples.relayResponse, { response: "x".repeat(257) }, "response", limits.reason],
    [samples.sessionRequest, { number: 0 }, "number", 1],
    [samples.sessionRequest, { number: 1.5 }, "number"],
    [samples.sessionRequest, { number: limits.number + 1 }, "number", limits.number],
    [samples.sessionResponse, { session_id: null }, "session_id"],
    [samples.sessionResponse, { destination_km_id: null }, "destination_km_id"],
    [samples.sessionNotification, { source_km_id: null }, "source_km_id"],
    [samples.reservationRequest, { destination_kma_id: null }, "destination_kma_id"],
    [samples.reservationResponse, { key_ids: null }, "key_ids"],
    [samples.allocationRequest, { key_ids: [] }, "key_ids"],
    [samples.allocationRequest, { key_ids: [{ id: "a" }] }, "key_ids"],
    [samples.report, { timestamp: "yesterday" }, "timestamp"],
    [samples.report, { extension: [7] }, "extension"],
    [
      samples.report,
      { extension: [{ a: "x".repeat(limits.extensionBytes) }] },
      "extension",
      limits.extensionBytes,
    ],
  ];
  for (const [message, members, field, limit] of cases) {
    const fault = faultOf(() => changed(message, members));
    const { title, clause } = specOf[message.type];
    const source = clause === undefined ? "profile" : `Q.4164 ${clause}`;
    t.like(fault, { code: "ck.message", facts: { field, source, message: title } }, field);
    t.is(fault?.facts.limit, limit, field);
  }
});

test("an ID may have 128 characters of any language", (t) => {
  const sourceKma = "😀".repeat(limits.id);
  const message = { ...samples.nextHopRequest, sourceKma };
  t.deepEqual(changed(message, {}), message);
  t.deepEqual(decodeMessage(message.type, encodeMessage(message)), message);
  t.throws(() => encodeFrames({ ...message, sourceKma: `${sourceKma}x` }, 1));
});

test("a member that is there twice is refused, wherever it is and however it is written", (t) => {
  const cases: readonly (readonly [string, string?])[] = [
    ['{"response":"success","response":"no_route"}', "response"],
    ['{"response":"success","resp\\u006fnse":"no_route"}', "response"],
    ['{"response":"success","extension":[{"a":[{"b":1,"b" :2}]}]}', "b"],
    ['{"response":"success","x y":1,"x y":1}'],
  ];
  for (const [text, field] of cases) {
    const fault = faultOf(() => read("relayResponse", text));
    t.regex(fault?.message ?? "", /twice/, text);
    t.is(fault?.facts.field, field);
  }
  t.notThrows(() =>
    read("relayResponse", '{"response":"\\"a\\":1,\\"a\\":","x":[{"a":1},{"a":1}]}'),
  );
});

test("no JSON and no object are refused, and what is passed over may be nested as it likes", (t) => {
  const deep = (name: string) =>
    `{"response":"success","${name}":[{"a":${"[".repeat(3_000)}${"]".repeat(3_000)}}]}`;
  for (const text of ["", "[]", "null", '{"response":"success"', "[".repeat(65_535)]) {
    t.is(faultOf(() => read("relayResponse", text))?.code, "ck.message");
  }
  t.notThrows(() => read("relayResponse", deep("x")));
});

test("a failure needs no session and no keys, success does", (t) => {
  for (const [message, response] of [
    [samples.sessionResponse, { type: "sessionResponse", response: "no_route" }],
    [
      samples.sessionNotificationResponse,
      { type: "sessionNotificationResponse", response: "busy" },
    ],
    [samples.reservationResponse, { type: "reservationResponse", response: "no_keys_available" }],
  ] as const) {
    t.deepEqual(changed(response, {}), response);
    t.deepEqual(decodeMessage(response.type, encodeMessage(response)), response);
    t.throws(() => encodeMessage({ type: message.type, response: "success" }));
  }
});

test("an answer names the destination if the request named the application alone", (t) => {
  const { destinationKma: _, ...named } = samples.nextHopRequest;
  const { destinationKma: __, ...answer } = samples.nextHopResponse;
  t.notThrows(() => checkAnswer(named, samples.nextHopResponse));
  t.notThrows(() => checkAnswer(samples.nextHopRequest, answer));
  t.like(
    faultOf(() => checkAnswer(named, answer)),
    { facts: { field: "destination_kma_id" } },
  );
  const refusal = refuse("nextHopRequest", "no_route");
  t.notThrows(() => checkAnswer(named, refusal));
});

test("each command can be refused, and the refusal is read as one over both bindings", (t) => {
  for (const type of messageTypes.filter((one) => specOf[one].answer !== undefined)) {
    const refusal = refuse(type, "no_route");
    t.is(refusal.type, specOf[type].answer as MessageType);
    t.is(refusalOf(changed(refusal, {}) as CkMessage), "no_route");
    t.is(refusalOf(decodeMessage(refusal.type, encodeMessage(refusal))), "no_route");
  }
  for (const message of allSamples) {
    const told = message.type === "allocationResponse" ? "unknown_key_id" : undefined;
    t.is(refusalOf(message), told, message.type);
  }
});

test("what could not be read is not sent, over neither binding", (t) => {
  const wrong: readonly object[] = [
    { ...samples.sessionRequest, number: 0 },
    { ...samples.relayRequest, transitKmas: Array(65).fill("a") },
    { ...samples.report, at: Number.NaN },
    { ...samples.nextHopRequest, extension: [{ a: 1n }] },
    { ...samples.allocationRequest, keyIds: Array(limits.keyIds + 1).fill("a") },
    { type: "relayNotification" },
    ...[null, 7, "x", [null], [7], [[]], {}].map((extension) => {
      return { ...samples.relayResponse, extension };
    }),
  ];
  for (const message of wrong as readonly CkMessage[]) {
    t.is(faultOf(() => encodeFrames(message, 1))?.code, "ck.message");
    t.is(faultOf(() => encodeMessage(message))?.code, "ck.message");
  }
});

/** Frames read as one message. */
function joined(type: MessageType, frames: readonly Buffer[]): CkMessage | undefined {
  const parts = new Parts();
  let message: CkMessage | undefined;
  for (const frame of frames) {
    message = parts.add(7, decodePayload(type, frame.subarray(10)), 0);
  }
  return message;
}

test("lists that do not fit a frame go in several under one MessageID", (t) => {
  const keyIds = Array.from({ length: limits.keyIds }, (_, n) => {
    return `84dec66a-1dda-4876-bf0f-${String(n).padStart(12, "0")}`;
  });
  const many: CkMessage = { ...samples.reservationResponse, keyIds };
  const frames = encodeFrames(many, 7);
  t.true(frames.length > 10 && frames.length < 20, String(frames.length));
  t.true(frames.every((frame) => frame.length <= 65_545 && frame.readUInt32BE(2) === 7));
  t.true(frames[0]?.includes('"extension":[{"more":true}]'));
  t.deepEqual(joined(many.type, frames), many);
  t.deepEqual(decodeMessage(many.type, encodeMessage(many)), many);

  const extension = Array.from({ length: limits.extensions }, (_, n) =>
    linkExtension({ peer: `kma-${n}-€"`, up: n % 2 === 0, stock: n, alarms: [] }),
  );
  const report: CkMessage = { ...samples.report, extension };
  t.deepEqual(joined("report", encodeFrames(report, 7)), report);
  t.true(encodeFrames(report, 7).length > 1);
  t.is(linksIn(report).length, limits.extensions);
});

test("parts are bounded: in number, in length, and how many messages are begun", (t) => {
  const more = [{ more: true }];
  const part = (members: object) => {
    return decodePayload(
      "report",
      Buffer.from(JSON.stringify({ ...payloadOf(samples.report), ...members })),
    );
  };
  const parts = new Parts();
  for (let id = 1; id <= limits.series; id++) parts.add(id, part({ extension: more }), 5);
  t.is(parts.since, 5);
  t.is(faultOf(() => parts.add(9, part({ extension: more }), 6))?.facts.limit, limits.series);
  for (let n = 1; n < limits.parts; n++) parts.add(1, part({ extension: more }), 6);
  t.is(faultOf(() => parts.add(1, part({ extension: more }), 6))?.facts.limit, limits.parts);
  const big = { extension: [...more, ...Array(7).fill({ a: "x".repeat(8_000) })] };
  const fault = faultOf(() => {
    for (let n = 0; n < 40; n++) parts.add(2, part(big), 6);
  });
  t.is(fault?.facts.limit, limits.bytes);
  // What is complete is let go of; another message under its MessageID begins anew.
  for (const id of [3, 4]) parts.add(id, part({}), 7);
  t.is(parts.since, undefined);
  parts.add(5, part({ extension: more }), 8);
  const other = decodePayload("relayResponse", Buffer.from('{"response":"success"}'));
  t.regex(faultOf(() => parts.add(5, other, 8))?.message ?? "", /another/);
});

test("over gRPC unknown fields are passed over; one that is there twice, or of another type, is refused", (t) => {
  const bytes = encodeMessage(samples.relayResponse);
  const plus = (write: (writer: BinaryWriter) => BinaryWriter) =>
    Buffer.concat([bytes, write(new BinaryWriter()).finish()]);
  const later = plus((w) => w.tag(99, 2).string("x").tag(98, 0).int64(-5).tag(97, 5).float(1));
  t.deepEqual(decodeMessage("relayResponse", later), samples.relayResponse);
  const cases: readonly (readonly [Uint8Array, RegExp])[] = [
    [plus((w) => w.tag(2, 2).string("again")), /twice/],
    [plus((w) => w.tag(1, 2).string("success")), /another type/],
    [plus((w) => w.tag(99, 3).tag(99, 4)), /group/],
    [plus((w) => w.tag(3, 2).bytes(Buffer.from([0xff]))), /UTF-8/],
    [plus((w) => w.tag(12, 2).string("[1]")), /object/],
    [plus((w) => w.tag(99, 2).uint32(100)), /ends in a field|no protobuf/],
    [plus((w) => w.tag(99, 2)), /no protobuf/],
    [Buffer.alloc(limits.bytes + 1), /too long/],
  ];
  for (const [wrong, why] of cases) {
    const fault = faultOf(() => decodeMessage("relayResponse", wrong));
    t.is(fault?.code, "ck.message", String(why));
    t.regex(fault?.message ?? "", why);
  }
});

test("over gRPC a result code that is not 0 is a failure, whatever its text says", (t) => {
  const coded = (code: number, text: string) =>
    new BinaryWriter().tag(1, 0).int32(code).tag(3, 2).string(text).finish();
  const response = (code: number, text: string) => {
    const message = decodeMessage("relayResponse", coded(code, text));
    return message.type === "relayResponse" && message.response;
  };
  t.is(response(0, "fine"), "success");
  t.is(response(1, "no_route"), "no_route");
  t.is(response(1, "success"), "result_code 1");
  t.is(response(-1, ""), "result_code -1");
});

test("an envelope has one message; one of a later version is told apart from one that is wrong", (t) => {
  t.is(
    decodeEnvelope(new BinaryWriter().tag(1, 0).uint32(5).tag(77, 2).string("x").finish()),
    undefined,
  );
  const wrong = new BinaryWriter()
    .tag(1, 0)
    .uint32(5)
    .tag(6, 2)
    .bytes(Buffer.from([0x12, 9]))
    .finish();
  t.like(
    faultOf(() => decodeEnvelope(wrong)),
    {
      code: "ck.message",
      facts: { message_id: 5, type: "relayResponse" },
    },
  );
  const two = new BinaryWriter().tag(6, 2).string("").tag(16, 2).string("").finish();
  t.regex(faultOf(() => decodeEnvelope(two))?.message ?? "", /two messages/);
});

test("a figure of a link that is out of its range is refused when it is written and when it is read", (t) => {
  const link = { peer: "kma-b", up: true, stock: 0, alarms: [] };
  t.is(faultOf(() => linkExtension({ ...link, qber: 0.6 }))?.facts.field, "qber");
  t.is(faultOf(() => linkExtension({ ...link, stock: -1 }))?.facts.field, "stock_bits");
  const told = { ...samples.report, extension: [{ link: { ...link, up: 1 } }, { other: 1 }] };
  t.like(
    faultOf(() => linksIn(told)),
    { code: "ck.message", facts: { source: "profile" } },
  );
});

test("a report that is not whole is not whole over either binding, whether a false is written or not", (t) => {
  const { whole: _, ...part } = samples.report;
  for (const whole of [undefined, false]) {
    t.deepEqual(changed(part, whole === undefined ? {} : { whole }), part);
    const fields = encodeMessage(part);
    const written = whole === undefined ? [] : [new BinaryWriter().tag(3, 0).bool(whole).finish()];
    t.deepEqual(decodeMessage("report", Buffer.concat([fields, ...written])), part);
  }
  t.like(
    faultOf(() => changed(part, { whole: 1 })),
    { facts: { field: "whole" } },
  );
});

test("the longest message there may be passes in an envelope, and one byte more does not", (t) => {
  const filled = (last: number) => {
    const lengths = [...Array<number>(128).fill(8_180), last];
    const extension = lengths.map((length) => ({ a: "x".repeat(length - 8) }));
    return { ...samples.relayResponse, extension } as CkMessage;
  };
  const rest = limits.bytes - encodeMessage(filled(1_000)).length + 1_000;
  const longest = filled(rest);
  t.is(encodeMessage(longest).length, limits.bytes);
  const envelope = encodeEnvelope(longest, 0xffff_ffff);
  t.deepEqual(decodeEnvelope(envelope), { messageId: 0xffff_ffff, message: longest });
  t.is(faultOf(() => encodeMessage(filled(rest + 1)))?.facts.limit, limits.bytes);
  t.is(
    faultOf(() => decodeEnvelope(Buffer.concat([envelope, Buffer.alloc(16)])))?.facts.limit,
    limits.bytes,
  );
});

test("what is wrong with an envelope or a time is told with the field", (t) => {
  const twice = new BinaryWriter().tag(1, 0).uint32(1).tag(1, 0).uint32(2).finish();
  const facts = { message: "Envelope", field: "1" };
  t.deepEqual(faultOf(() => decodeEnvelope(twice))?.facts, facts);
  const none = new BinaryWriter().tag(1, 2).string("km-a").tag(2, 2).string("").finish();
  t.regex(faultOf(() => decodeMessage("report", none))?.message ?? "", /lacks/);
  const odd = new BinaryWriter().tag(1, 2).string("km-a").tag(2, 2).string("noon").finish();
  t.like(
    faultOf(() => decodeMessage("report", odd)),
    { facts: { field: "timestamp" } },
  );
});
