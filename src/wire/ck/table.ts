/**
 * All messages of Ck in one table: what each is called over TCP (Appendix I) and over gRPC (Appendix II), what is
 * in it, and where the Recommendation says so. Codecs, types, the `.proto` and the documents follow from it.
 */

/**
 * How a parameter is written. `id`: text; `ids`, `keyIds`: lists of texts; `number`: whole number from 1; `response`:
 * `success` or why not; `extension`: JSON objects; `time`: RFC 3339 in UTC; `flag`: true or false.
 */
export type FieldKind =
  | "id"
  | "ids"
  | "keyIds"
  | "number"
  | "response"
  | "extension"
  | "time"
  | "flag";

interface FieldSpec {
  /** JSON name over TCP. */
  readonly tcp: string;
  readonly kind: FieldKind;
  readonly what: string;
}

/** Parameters. The names over TCP are those of the Tables, in the style of JSON. */
export const fields = {
  sourceKma: { tcp: "source_kma_id", kind: "id", what: "KMA where the route begins" },
  destinationKma: { tcp: "destination_kma_id", kind: "id", what: "KMA where the route ends" },
  sourceApp: {
    tcp: "application_source_id",
    kind: "id",
    what: "application that asks, at the source KM",
  },
  destinationApp: {
    tcp: "application_destination_id",
    kind: "id",
    what: "application that the source application wants to talk to",
  },
  nextKmas: {
    tcp: "next_kma_ids",
    kind: "ids",
    what: "KMAs that may be the next hop, the best first",
  },
  transitKmas: {
    tcp: "transit_kma_ids",
    kind: "ids",
    what: "KMAs of the route between source and destination, in order",
  },
  requestId: { tcp: "key_relay_request_id", kind: "id", what: "names the relay" },
  number: { tcp: "number", kind: "number", what: "KSA-keys of the session at most" },
  sessionId: { tcp: "session_id", kind: "id", what: "names the session" },
  sourceKm: { tcp: "source_km_id", kind: "id", what: "KM of the source application" },
  destinationKm: {
    tcp: "destination_km_id",
    kind: "id",
    what: "KM of the destination application",
  },
  keyIds: { tcp: "key_ids", kind: "keyIds", what: "KMA-keys, by their IDs" },
  response: { tcp: "response", kind: "response", what: "`success`, or the reason of the failure" },
  extension: { tcp: "extension", kind: "extension", what: "extension parameters" },
  at: { tcp: "timestamp", kind: "time", what: "when it was so" },
  whole: { tcp: "whole", kind: "flag", what: "what is not told of any more is not there any more" },
} as const satisfies Readonly<Record<string, FieldSpec>>;

export type FieldName = keyof typeof fields;

/**
 * M, O: mandatory, optional. `either`: one of both destinations, or both. `success`: mandatory if the response is
 * success. `answer`: mandatory if the request names its destination by the application alone.
 */
export type Presence = "M" | "O" | "either" | "success" | "answer";

/** A parameter in a message: whether it must be there, number and name of its field over gRPC. */
interface Row {
  readonly is: Presence;
  readonly no: number;
  readonly grpc: string;
  /** Not in the draft's mapping. */
  readonly ours?: true;
  /** Of a response: number of the field with the text. */
  readonly textNo?: number;
}

export type Side = "km" | "controller";

interface MessageSpec {
  readonly title: string;
  /** Clause of Q.4164; undefined: ours. */
  readonly clause?: string;
  /** CommandCode (Table I.1). */
  readonly code: number;
  readonly from: Side;
  /** Message of gRPC, and number of its field in the envelope of the stream. */
  readonly grpc: string;
  readonly no: number;
  /** Clause of Appendix II; undefined: the mapping is ours. */
  readonly mapped?: string;
  /** What answers it; undefined: it is an answer and nothing else. */
  readonly answer?: string;
  /** RPC for whom the stream is not: served by the side that the command goes to. */
  readonly rpc?: string;
  readonly fields: Readonly<Partial<Record<FieldName, Row>>>;
}

/** Numbers of fields up to 10 are those that the draft maps, in its order; from 11 on they are ours. */
const ext = { is: "O", no: 12, grpc: "extension", ours: true } as const;
const toApp = (is: Presence) =>
  ({ is, no: 11, grpc: "application_destination_id", ours: true }) as const;

export const messages = {
  nextHopRequest: {
    title: "Key relay next hop request",
    clause: "8.1",
    code: 0x1401,
    from: "km",
    grpc: "KeyRelayNextHopRequest",
    no: 2,
    answer: "nextHopResponse",
    rpc: "GetNextHop",
    fields: {
      sourceKma: { is: "O", no: 1, grpc: "start_km" },
      destinationKma: { is: "either", no: 2, grpc: "end_km" },
      destinationApp: toApp("either"),
      extension: ext,
    },
  },
  nextHopResponse: {
    title: "Response to key relay next hop request",
    clause: "8.2",
    code: 0x4102,
    from: "controller",
    grpc: "KeyRelayNextHopResponse",
    no: 3,
    fields: {
      sourceKma: { is: "O", no: 1, grpc: "start_km" },
      destinationKma: { is: "answer", no: 2, grpc: "end_km" },
      nextKmas: { is: "M", no: 3, grpc: "kma_id" },
      extension: ext,
    },
  },
  relayNotification: {
    title: "Key relay request notification",
    clause: "8.3",
    code: 0x1403,
    from: "km",
    grpc: "KeyRelayRequestNotification",
    no: 4,
    mapped: "II.2",
    answer: "relayRequest",
    rpc: "NotifyKeyRelayRequest",
    fields: {
      sourceKma: { is: "O", no: 1, grpc: "start_km" },
      destinationKma: { is: "either", no: 2, grpc: "end_km" },
      destinationApp: toApp("either"),
      extension: ext,
    },
  },
  relayRequest: {
    title: "Key relay request",
    clause: "8.4",
    code: 0x4104,
    from: "controller",
    grpc: "KeyRelayRequest",
    no: 5,
    mapped: "II.3",
    answer: "relayResponse",
    rpc: "RequestKeyRelay",
    fields: {
      sourceKma: { is: "O", no: 1, grpc: "start_km" },
      destinationKma: { is: "answer", no: 2, grpc: "end_km" },
      transitKmas: { is: "M", no: 3, grpc: "kma_id" },
      requestId: { is: "O", no: 4, grpc: "keyrelayrequest_id" },
      extension: ext,
    },
  },
  relayResponse: {
    title: "Response to key relay request",
    clause: "8.5",
    code: 0x1405,
    from: "km",
    grpc: "KeyRelayResponse",
    no: 6,
    mapped: "II.3",
    fields: {
      response: { is: "M", no: 1, grpc: "result_code", textNo: 3 },
      requestId: { is: "O", no: 2, grpc: "keyrelayrequest_id" },
      extension: ext,
    },
  },
  sessionRequest: {
    title: "Session creation request",
    clause: "8.6",
    code: 0x1406,
    from: "km",
    grpc: "SessionCreationRequest",
    no: 7,
    answer: "sessionResponse",
    rpc: "CreateSession",
    fields: {
      sourceApp: { is: "M", no: 1, grpc: "application_source_id" },
      destinationApp: { is: "M", no: 2, grpc: "application_destination_id" },
      number: { is: "O", no: 3, grpc: "number" },
      extension: ext,
    },
  },
  sessionResponse: {
    title: "Response to session creation request",
    clause: "8.7",
    code: 0x4107,
    from: "controller",
    grpc: "SessionCreationResponse",
    no: 8,
    fields: {
      sessionId: { is: "success", no: 1, grpc: "session_id" },
      response: { is: "M", no: 2, grpc: "result_code", textNo: 4 },
      destinationKm: { is: "success", no: 3, grpc: "destination_km_id" },
      extension: ext,
    },
  },
  sessionNotification: {
    title: "Session creation notification",
    clause: "8.8",
    code: 0x4108,
    from: "controller",
    grpc: "SessionCreationNotification",
    no: 9,
    answer: "sessionNotificationResponse",
    rpc: "NotifySessionCreation",
    fields: {
      sourceApp: { is: "M", no: 1, grpc: "application_source_id" },
      destinationApp: { is: "M", no: 2, grpc: "application_destination_id" },
      sessionId: { is: "M", no: 3, grpc: "session_id" },
      sourceKm: { is: "M", no: 4, grpc: "source_km_id" },
      number: { is: "O", no: 5, grpc: "number" },
      extension: ext,
    },
  },
  sessionNotificationResponse: {
    title: "Response to session creation notification",
    clause: "8.9",
    code: 0x1409,
    from: "km",
    grpc: "SessionCreationNotificationResponse",
    no: 10,
    fields: {
      sessionId: { is: "success", no: 1, grpc: "session_id" },
      response: { is: "M", no: 2, grpc: "result_code", textNo: 3 },
      extension: ext,
    },
  },
  reservationRequest: {
    title: "Key reservation request",
    clause: "8.10",
    code: 0x410a,
    from: "controller",
    grpc: "KeyReservationRequest",
    no: 11,
    mapped: "II.4",
    answer: "reservationResponse",
    rpc: "ReserveKeys",
    fields: {
      sourceKma: { is: "M", no: 1, grpc: "start_km" },
      destinationKma: { is: "M", no: 2, grpc: "end_km" },
      destinationApp: toApp("O"),
      extension: ext,
    },
  },
  reservationResponse: {
    title: "Response to key reservation request",
    clause: "8.11",
    code: 0x140b,
    from: "km",
    grpc: "KeyReservationResponse",
    no: 12,
    mapped: "II.4",
    fields: {
      sourceKma: { is: "O", no: 1, grpc: "start_km" },
      destinationKma: { is: "O", no: 2, grpc: "end_km" },
      destinationApp: toApp("O"),
      keyIds: { is: "success", no: 3, grpc: "key_id" },
      response: { is: "M", no: 4, grpc: "result_code", textNo: 5 },
      extension: ext,
    },
  },
  allocationRequest: {
    title: "Key allocation request",
    clause: "8.12",
    code: 0x410c,
    from: "controller",
    grpc: "KeyAllocationRequest",
    no: 13,
    mapped: "II.5",
    answer: "allocationResponse",
    rpc: "AllocateKeys",
    fields: {
      sourceKma: { is: "M", no: 1, grpc: "start_km" },
      destinationKma: { is: "M", no: 2, grpc: "end_km" },
      destinationApp: toApp("O"),
      keyIds: { is: "M", no: 3, grpc: "key_id" },
      extension: ext,
    },
  },
  allocationResponse: {
    title: "Response to key allocation request",
    clause: "8.13",
    code: 0x140d,
    from: "km",
    grpc: "KeyAllocationResponse",
    no: 14,
    mapped: "II.5",
    fields: {
      sourceKma: { is: "O", no: 1, grpc: "start_km" },
      destinationKma: { is: "O", no: 2, grpc: "end_km" },
      destinationApp: toApp("O"),
      keyIds: { is: "O", no: 3, grpc: "key_id" },
      response: { is: "M", no: 4, grpc: "result_code", textNo: 5 },
      extension: ext,
    },
  },
  report: {
    title: "Report",
    code: 0x14f1,
    from: "km",
    grpc: "Report",
    no: 15,
    answer: "reportResponse",
    rpc: "TellReport",
    fields: {
      sourceKm: { is: "M", no: 1, grpc: "source_km_id" },
      at: { is: "M", no: 2, grpc: "timestamp" },
      whole: { is: "O", no: 3, grpc: "whole" },
      extension: ext,
    },
  },
  reportResponse: {
    title: "Response to report",
    code: 0x41f2,
    from: "controller",
    grpc: "ReportResponse",
    no: 16,
    fields: {
      response: { is: "M", no: 1, grpc: "result_code", textNo: 2 },
      extension: ext,
    },
  },
} as const satisfies Readonly<Record<string, MessageSpec>>;

export type MessageType = keyof typeof messages;

/** The table without what its literal types know: for code that goes through all of it. */
export const specOf: Readonly<Record<MessageType, MessageSpec>> = messages;
export const fieldOf: Readonly<Record<FieldName, FieldSpec>> = fields;
export type { FieldSpec, MessageSpec, Row };

export const messageTypes = Object.keys(messages) as readonly MessageType[];

/** @returns undefined for a code that no message has */
export function typeOfCode(code: number): MessageType | undefined {
  return messageTypes.find((type) => specOf[type].code === code);
}

const rows = new Map(
  messageTypes.map((type) => [type, Object.entries(specOf[type].fields) as [FieldName, Row][]]),
);

/** The parameters of a message, in the order of its Table. */
export function rowsOf(type: MessageType): readonly (readonly [FieldName, Row])[] {
  return rows.get(type) ?? [];
}
