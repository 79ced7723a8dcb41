/** What a KM must do for a node to keep its promise: every key exactly once. All cases, in their order. */
import type { Runnable } from "../run.ts";
import type { KmCase } from "./case.ts";
import { flowCases } from "./flow-cases.ts";
import { frameCases } from "./frame-cases.ts";
import { httpsCases } from "./https-cases.ts";
import { Kit } from "./kit.ts";
import { refusalCases } from "./refusal-cases.ts";
import { supplyCases } from "./supply-cases.ts";
import type { Target } from "./target.ts";
import { tlsCases } from "./tls-cases.ts";

export const kmCases: readonly KmCase[] = [
  ...tlsCases,
  ...supplyCases,
  ...refusalCases,
  ...frameCases,
  ...httpsCases,
  ...flowCases,
];

function missing(target: Target, needs: KmCase["needs"]): string | undefined {
  if (needs === "tls" && target.tls === undefined) return "the KM is spoken with without TLS";
  if (needs === "restart" && target.restart === undefined) {
    return "how to restart the KM is not known (--restart)";
  }
  return undefined;
}

/** The cases of this KM's binding. */
export function casesFor(target: Target): Runnable[] {
  return kmCases
    .filter(({ binding }) => binding === undefined || binding === target.binding)
    .map(({ id, title, level = "must", needs, run }) => ({
      id,
      title,
      level,
      skip: missing(target, needs),
      async run(note) {
        const kit = new Kit(target, note);
        try {
          await run(kit);
        } catch (error) {
          try {
            kit.end();
          } catch {
            // What went wrong first is told.
          }
          throw error;
        }
        kit.end();
      },
    }));
}
