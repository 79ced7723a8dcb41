/** What an application is told when the link has no keys for it now. Pure. */
import { EtsiRefusal } from "../../wire/etsi014/refusal.ts";
import type { Shortage } from "../supply/request.ts";

const shortages: Readonly<Record<Shortage, { message: string; retryAfter: number }>> = {
  away: { message: "the KME of the other SAE cannot be reached", retryAfter: 1 },
  stock: { message: "not enough keys are stored", retryAfter: 1 },
  refused: { message: "the KME of the other SAE refused the keys", retryAfter: 5 },
  late: { message: "the KME of the other SAE did not answer in time", retryAfter: 1 },
};

export function noKeys(why: Shortage): EtsiRefusal {
  const { message, retryAfter } = shortages[why];
  return new EtsiRefusal(503, message, [], retryAfter);
}

/** The disk of this KM answers nothing: what is asked for would wait, and be lost if it came too late. */
export function stalledStore(): EtsiRefusal {
  return new EtsiRefusal(503, "the disk of this KME does not answer", [], 5);
}

/** Its keys did not come in time, for whatever reason. */
export function lateAnswer(): EtsiRefusal {
  return new EtsiRefusal(503, "this KME has no answer in time", [], 1);
}
