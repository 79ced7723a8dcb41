/** Why a store failed, as a fault: what a system error says of it, and nothing that it quotes. */
import { errorCode, Fault } from "../../../base/errors.ts";

/** The file that a system error is of, if it says so: as a fact of a fault. */
export function fileOf(error: unknown): { readonly file?: string } {
  const { path } = error as { path?: unknown };
  return typeof path === "string" ? { file: path } : {};
}

export function storeFault(error: unknown): Fault {
  if (error instanceof Fault) return error;
  const reason = errorCode(error) ?? (error instanceof Error ? error.message : "unknown");
  return new Fault("km_store.io", "the store can't be written or read", {
    ...fileOf(error),
    reason,
  });
}
