/** Which of all that is kept back `--reason` and `--epoch` mean: a slip is told, and not taken for "none of it". */
import { UsageError } from "../../host/terminal/program.ts";
import { tidy } from "../../host/terminal/terminal.ts";
import type { Kept } from "../../ops/cli/shapes.ts";
import { withheldReasons } from "../keys/ports.ts";
import type { Context } from "./context.ts";

export interface Selection {
  readonly reason?: string;
  readonly epoch?: string;
}

/** The node lists no more than this of what is kept back. */
const mostListed = 1_000;

/** @throws UsageError where there can be no such thing */
export async function selectionOf(module: string, context: Context): Promise<Selection> {
  const [reason, epoch] = [context.text("reason"), context.text("epoch")?.toLowerCase()];
  if (epoch !== undefined && !/^[0-9a-f]{16}$/.test(epoch)) {
    throw new UsageError("--epoch: expected 16 hex digits, as in EPOCH/NUMBER of `kept`");
  }
  if (reason !== undefined) await checkReason(reason, module, context);
  return { ...(reason !== undefined && { reason }), ...(epoch !== undefined && { epoch }) };
}

async function checkReason(reason: string, module: string, context: Context): Promise<void> {
  const ours: readonly string[] = [...withheldReasons, "damaged"];
  if (ours.includes(reason)) return;
  const { modules } = await context.ask<Kept>("kept", { module });
  const kept = modules.flatMap((one) => one.kept);
  // A KM refuses keys with words of its own.
  const refused = kept.filter(({ why }) => why === "quarantined").map((one) => one.reason ?? "");
  if (refused.includes(reason) || kept.length >= mostListed) return;
  const known = [...ours, ...new Set(refused)].map(tidy).join(", ");
  throw new UsageError(`--reason: expected one of ${known}`);
}

/** `--all --reason ledger_repaired` ends the doubt also where it concerns no block. */
export function concernsMore({ reason, epoch }: Selection): boolean {
  return reason === "ledger_repaired" && epoch === undefined;
}
