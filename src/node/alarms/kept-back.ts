/** What is kept back from the KM (`custody/keptBackKeys.ts`), in words, and what to type about it. Pure. */

/** Reasons for which blocks are kept back by design: an operator may decide, and need not. */
const byDesign: readonly string[] = ["withheld.qber", "withheld.operator"];

/**
 * @param reason of what is kept back: `withheld.ledger_repaired`
 * @param count how much it is @returns it as people read it, after the number
 */
export function keptWords(reason: string, count: number): string {
  const words: Readonly<Record<string, string>> = {
    "withheld.qber": "blocks above the QBER limit",
    "withheld.no_qber": "blocks without a QBER",
    "withheld.operator": "blocks that somebody named",
    "withheld.ledger_repaired": "blocks of before the ledger was repaired",
    "withheld.replayed": "blocks that the module had let go of before",
    "withheld.past_unknown": "blocks so old that it is not known whether they were supplied",
    withheld: "blocks withheld, for a reason that was not recorded",
    damaged: "blocks that cannot be read from the module",
    quarantined: "keys that the KM refused, or whose answer broke off",
    other_km: "blocks with keys for a KM that is not configured",
  };
  const many = words[reason] ?? reason;
  return count === 1 ? many.replace(/^(block|key)s\b/, "$1").replace("they were", "it was") : many;
}

/** What is kept back in one line: `992 blocks of before the ledger was repaired`. */
export function keptText(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .sort(([, a], [, b]) => b - a)
    .map(([reason, count]) => `${count} ${keptWords(reason, count)}`)
    .join(", ");
}

/** Whether something of it waits for an operator's decision. */
export function waitsForDecision(counts: Readonly<Record<string, number>>): boolean {
  return Object.keys(counts).some((reason) => !byDesign.includes(reason));
}

/** What to type to give it up; `release` in place of `discard` supplies it after all. */
export function keptCommand(module: string, why: string): string {
  if (why === "other_km") return `qkd-node free-km ${module} KM`;
  const [kind, reason = kind] = why.split(".");
  // Which reasons the KMs gave is in the list.
  if (kind === "quarantined" || why === "withheld") return `qkd-node kept ${module}`;
  return `qkd-node discard ${module} --all --reason ${reason}`;
}
