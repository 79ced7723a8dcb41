/** What the parts of the core have in common. */
import type { Repository } from "../access/repository.ts";
import { Accounts } from "../accounting/accounts.ts";
import type { ControllerPolicy } from "../policy/network.ts";
import type { Classes } from "../policy/terms.ts";
import type { Sessions } from "../sessions/sessions.ts";
import type { Topology } from "../topology/topology.ts";
import type { News } from "./news.ts";
import type { ControllerWorld, Saved } from "./world.ts";

export interface CoreParts {
  readonly policy: ControllerPolicy;
  readonly world: ControllerWorld;
  readonly topology: Topology;
  readonly repository: Repository;
  readonly classes: Classes;
  readonly sessions: Sessions;
  readonly accounts: Accounts;
  readonly news: News;
  /** This controller leads. */
  isActive(): boolean;
}

/** A UUID of version 4, from what the world draws. */
export function newId(world: Pick<ControllerWorld, "random">): string {
  const bytes = world.random(16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/** Accounts that the store keeps; people are told if some are forgotten early. */
export function accountsOf(
  { id, rules }: Pick<ControllerPolicy, "id" | "rules">,
  { account, accountPeriods }: Pick<Saved, "account" | "accountPeriods">,
  world: Pick<ControllerWorld, "save">,
  news: News,
): Accounts {
  const periods = { length: rules.accountMs, periods: rules.accountPeriods };
  return new Accounts(periods, account, accountPeriods, {
    save: (of, one) => world.save("account", of, one),
    short: (count, until) => {
      const when = new Date(until).toISOString();
      news.tell(
        "node",
        id,
        `too many accounts: ${count} periods up to ${when} are forgotten early`,
      );
    },
  });
}
