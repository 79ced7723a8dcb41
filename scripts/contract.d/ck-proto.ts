/** `contract/ck.proto`: Ck over gRPC, from the table of its messages. */
import { grpcNames } from "../../src/wire/ck/names.ts";
import {
  type FieldKind,
  fieldOf,
  type MessageType,
  messageTypes,
  type Presence,
  rowsOf,
  type Side,
  specOf,
} from "../../src/wire/ck/table.ts";

const head = `// Ck, between a key manager (KM) and a QKDN controller (ITU-T Q.4164), over gRPC.
//
// Made by scripts/contract from src/wire/ck/table.ts; what is said there goes for both bindings:
// src/wire/ck/README.md. Names of messages and fields are those of Appendix II where it has them. It has no
// numbers, no services and no RPCs: these are ours, and so is what is marked "ours".
syntax = "proto3";

package ${grpcNames.package};
`;

const types: Readonly<Record<FieldKind, string>> = {
  id: "string",
  ids: "repeated string",
  keyIds: "repeated string",
  number: "uint32",
  response: "int32",
  extension: "repeated string",
  time: "string",
  flag: "bool",
};

const presence: Readonly<Record<Presence, string>> = {
  M: "mandatory",
  O: "optional",
  either: "one of both destinations is mandatory",
  success: "mandatory if result_code is 0",
  answer: "mandatory if the request names the application alone",
};

const more: Readonly<Partial<Record<FieldKind, string>>> = {
  response: "0: success, any other: failure",
  extension: "each a JSON object",
  time: "RFC 3339, UTC",
};

/** Of field names in snake case that of a message. */
const snake = (name: string) => name.replace(/(?<!^)[A-Z]/g, "_$&").toLowerCase();

function messageText(type: MessageType): string {
  const { title, clause, mapped, grpc } = specOf[type];
  const from = clause === undefined ? "ours" : `clause ${clause}`;
  const mapping = mapped ?? (clause === undefined ? undefined : "ours");
  const lines = rowsOf(type).flatMap(([name, row]) => {
    const { kind, what } = fieldOf[name];
    const notes = [presence[row.is], more[kind], row.ours && "ours"].filter(Boolean).join("; ");
    const own = [
      row.no,
      `  // ${what}: ${notes}`,
      `  ${types[kind]} ${row.grpc} = ${row.no};`,
    ] as const;
    if (row.textNo === undefined) return [own];
    const why = "  // why it failed, if it did";
    return [own, [row.textNo, why, `  string error_message = ${row.textNo};`] as const];
  });
  lines.sort(([a], [b]) => a - b);
  const about = `// ${title} (${from}${mapping === undefined ? "" : `; mapping: ${mapping}`}).`;
  const body = lines.flatMap(([, comment, field]) => [comment, field]);
  return [about, `message ${grpc} {`, ...body, "}"].join("\n");
}

function serviceText(side: Side): string {
  const rpcs = messageTypes.flatMap((type) => {
    const { rpc, from, grpc, answer, title } = specOf[type];
    const answering = messageTypes.find((one) => one === answer);
    if (rpc === undefined || from === side || answering === undefined) return [];
    return [`  // ${title}`, `  rpc ${rpc}(${grpc}) returns (${specOf[answering].grpc});`];
  });
  const { envelope, stream, relayResult, nothing, controller, km } = grpcNames;
  const own =
    side === "controller"
      ? [
          "  // All messages both ways: opened by the KM, once, for as long as it runs.",
          `  rpc ${stream}(stream ${envelope}) returns (stream ${envelope});`,
          "  // How a relay went whose route came by NotifyKeyRelayRequest.",
          `  rpc ${relayResult}(${specOf.relayResponse.grpc}) returns (${nothing});`,
        ]
      : [];
  const about = `// Served by the ${side === "km" ? "key manager" : "controller"}.`;
  const name = side === "km" ? km : controller;
  return [about, `service ${name} {`, ...own, ...rpcs, "}"].join("\n");
}

/** The text of the file. */
export function ckProto(): string {
  const { envelope, nothing } = grpcNames;
  const members = messageTypes.map((type) => {
    const { grpc, no } = specOf[type];
    return `    ${grpc} ${snake(grpc)} = ${no};`;
  });
  const envelopeText = [
    "// What the stream carries: one message. An answer has the MessageID of what it answers.",
    `message ${envelope} {`,
    "  // The KM's are from 1, the controller's from 2147483648.",
    "  uint32 message_id = 1;",
    "  oneof message {",
    ...members,
    "  }",
    "}",
  ].join("\n");
  const nothingText = `message ${nothing} {}`;
  const services = [serviceText("controller"), serviceText("km")];
  const all = [...services, envelopeText, ...messageTypes.map(messageText), nothingText];
  return `${head}\n${all.join("\n\n")}\n`;
}
