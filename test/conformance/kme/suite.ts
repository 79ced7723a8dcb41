/** What a KME must do for its applications by ETSI GS QKD 014. All cases, in their order. */
import type { Runnable } from "../run.ts";
import { accessCases } from "./access-cases.ts";
import type { KmeCase } from "./case.ts";
import { decCases } from "./dec-cases.ts";
import { encCases } from "./enc-cases.ts";
import { extensionCases } from "./extension-cases.ts";
import { httpCases } from "./http-cases.ts";
import { jsonCases } from "./json-cases.ts";
import { Kit } from "./kit.ts";
import { multicastCases } from "./multicast-cases.ts";
import { statusCases } from "./status-cases.ts";
import type { Target } from "./target.ts";

export const kmeCases: readonly KmeCase[] = [
  ...accessCases,
  ...statusCases,
  ...encCases,
  ...extensionCases,
  ...decCases,
  ...multicastCases,
  ...jsonCases,
  ...httpCases,
];

function missing({ third, stranger }: Target, needs: KmeCase["needs"]): string | undefined {
  if (needs === "third" && third === undefined) {
    return "not applicable, because there is no third SAE (--third-sae-id)";
  }
  if (needs === "stranger" && stranger === undefined) {
    return "not applicable, because there is no certificate of no SAE (--stranger-cert)";
  }
  return undefined;
}

export function casesFor(target: Target): Runnable[] {
  return kmeCases.map(({ id, clause, title, level = "must", needs, run }) => ({
    id,
    clause,
    title,
    level,
    skip: missing(target, needs),
    async run(note) {
      const kit = new Kit(target, note);
      try {
        await run(kit);
      } finally {
        kit.end();
      }
    },
  }));
}
