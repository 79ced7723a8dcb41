/** What the doctor finds: one line for each thing looked at, and what to do about it. Pure. */

import type { Health } from "../cli/shapes.ts";

export type Verdict = "ok" | "warn" | "fail" | "skip";

export interface Finding {
  /** Stable, for programs: `km.main.tcp`. */
  readonly id: string;
  /** What was looked at. */
  readonly title: string;
  readonly status: Verdict;
  /** What was found. */
  readonly detail: string;
  /** What to do; where it is not ok. */
  readonly advice?: string;
}

export interface Report {
  /** Whose it is: a node's ID, or a key manager's. */
  readonly node?: string;
  readonly km?: string;
  readonly controller?: string;
  readonly t: string;
  readonly running: boolean;
  /** The worst of the checks. */
  readonly status: "ok" | "warn" | "fail";
  /** The first that failed, or else the first that warns: where to begin. */
  readonly first?: string;
  readonly checks: readonly Finding[];
  /** The verdict on each module's supply, as the running node says it. */
  readonly supply?: readonly { readonly name: string; readonly health: Health }[];
}

type Named = readonly [id: string, title: string];

export const ok = ([id, title]: Named, detail: string): Finding => {
  return { id, title, status: "ok", detail };
};
export const warn = ([id, title]: Named, detail: string, advice: string): Finding => {
  return { id, title, status: "warn", detail, advice };
};
export const fail = ([id, title]: Named, detail: string, advice: string): Finding => {
  return { id, title, status: "fail", detail, advice };
};
export const skip = ([id, title]: Named, detail: string): Finding => {
  return { id, title, status: "skip", detail };
};

export function conclude(
  checks: readonly Finding[],
  facts: {
    readonly node?: string | undefined;
    readonly km?: string | undefined;
    readonly controller?: string | undefined;
    readonly t: string;
    readonly running: boolean;
    readonly supply?: Report["supply"] | undefined;
  },
): Report {
  const find = (status: Verdict) => {
    const found = checks.filter((check) => check.status === status);
    // That the daemon does not run is seldom the cause of anything.
    return found.find(({ id }) => !["node", "km", "controller"].includes(id)) ?? found[0];
  };
  const first = find("fail") ?? find("warn");
  const { node, km, controller, t, running, supply } = facts;
  return {
    ...(node !== undefined && { node }),
    ...(km !== undefined && { km }),
    ...(controller !== undefined && { controller }),
    t,
    running,
    status: first === undefined ? "ok" : first.status === "fail" ? "fail" : "warn",
    ...(first !== undefined && { first: first.id }),
    checks,
    ...(supply !== undefined && { supply }),
  };
}
