/** One message of Ck of each type, as in `test/fixtures/ck`. */
import type { CkMessage, CkMessageOf } from "../../src/wire/ck/messages.ts";
import { linkExtension } from "../../src/wire/ck/report.ts";
import type { MessageType } from "../../src/wire/ck/table.ts";

const ends = { sourceKma: "kma-a", destinationKma: "kma-c" } as const;
const applications = { sourceApp: "app-a", destinationApp: "app-c" } as const;
const keys = ["84dec66a-1dda-4876-bf0f-000000000001", "84dec66a-1dda-4876-bf0f-000000000002"];

export const samples = {
  nextHopRequest: { type: "nextHopRequest", ...ends, destinationApp: "app-c" },
  nextHopResponse: { type: "nextHopResponse", ...ends, nextKmas: ["kma-b", "kma-d"] },
  relayNotification: { type: "relayNotification", sourceKma: "kma-a", destinationApp: "app-c" },
  relayRequest: { type: "relayRequest", ...ends, transitKmas: ["kma-b"], requestId: "relay-7" },
  relayResponse: { type: "relayResponse", response: "success", requestId: "relay-7" },
  sessionRequest: { type: "sessionRequest", ...applications, number: 300 },
  sessionResponse: {
    type: "sessionResponse",
    sessionId: "session-9",
    response: "success",
    destinationKm: "km-c",
  },
  sessionNotification: {
    type: "sessionNotification",
    ...applications,
    sessionId: "session-9",
    sourceKm: "km-a",
    number: 300,
  },
  sessionNotificationResponse: {
    type: "sessionNotificationResponse",
    sessionId: "session-9",
    response: "success",
  },
  reservationRequest: { type: "reservationRequest", ...ends, destinationApp: "app-c" },
  reservationResponse: {
    type: "reservationResponse",
    ...ends,
    keyIds: keys,
    response: "success",
  },
  allocationRequest: { type: "allocationRequest", ...ends, keyIds: keys },
  allocationResponse: {
    type: "allocationResponse",
    ...ends,
    keyIds: keys.slice(0, 1),
    response: "unknown_key_id",
  },
  report: {
    type: "report",
    sourceKm: "km-a",
    at: Date.parse("2026-01-31T12:00:00.007Z"),
    whole: true,
    extension: [
      linkExtension({
        peer: "kma-b",
        up: true,
        stock: 1_048_576,
        rate: 2_500,
        consumption: 512.5,
        qber: 0.0316,
        alarms: [{ name: "qber_high", severity: "major" }],
      }),
    ],
  },
  reportResponse: { type: "reportResponse", response: "success" },
} as const satisfies { readonly [T in MessageType]: CkMessageOf<T> };

export const allSamples: readonly CkMessage[] = Object.values(samples);
