/** A controller refuses a session: as a pair that may share nothing, or for now. Pure. */
import { EtsiRefusal, unauthorized } from "../../wire/etsi014/refusal.ts";

/** @param why reason of the controller, or of this KM */
export function noSession(why: string): EtsiRefusal {
  if (why === "unauthorized" || why === "unknown_application") return unauthorized();
  return new EtsiRefusal(503, "the network has no session for these SAEs now", [], 5);
}
