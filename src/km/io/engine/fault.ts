/** Why a store failed, as a fault: what a system error says of it, and nothing that it quotes. */
import { errorCode, Fault } from "../../../base/errors.ts";

export function storeFault(error: unknown): Fault {
  if (error instanceof Fault) return error;
  const reason = errorCode(error) ?? (error instanceof Error ? error.message : "unknown");
  return new Fault("km_store.io", "the store can't be written or read", { reason });
}
