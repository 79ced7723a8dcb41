/** What a store is asked to do with its books, in the order in which it was asked; and keys that come. */
import type { BufferedKeys } from "../../store/buffered.ts";
import type { Change } from "../../store/port.ts";

export type Operation =
  | { readonly type: "commit"; readonly change: Change; readonly done: (() => void) | undefined }
  | { readonly type: "work"; readonly run: () => Promise<void>; readonly isUrgent?: boolean };

export interface Put {
  readonly stored: BufferedKeys;
  readonly done: (stored: BufferedKeys | undefined) => void;
}

/**
 * An application waits for keys on their way, and for what is read; batches of stock, keys of which nothing more has to
 * be known, and what no answer or message waits for, can share syncs.
 */
export function isUrgent(operation: Operation): boolean {
  if (operation.type === "work") return operation.isUrgent === true;
  const { rows = [], canWait = false } = operation.change;
  return !canWait && rows.some(({ kind, value }) => kind === "use" && value !== undefined);
}
