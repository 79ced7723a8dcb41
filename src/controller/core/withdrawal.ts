/** What goes with a key manager that is taken back: all that it told, and all that was ordered of its pairs. */
import type { Filling } from "./filling.ts";
import type { CoreParts } from "./parts.ts";
import type { Reports } from "./reports.ts";
import type { Routes } from "./routes.ts";
import type { SessionDesk } from "./session-desk.ts";

export interface WithdrawalParts extends CoreParts {
  readonly routes: Routes;
  readonly desk: SessionDesk;
  readonly filling: Filling;
  readonly reports: Reports;
}

/** Nothing of it counts any more: another KM may serve its applications, and its pairs want no keys. */
export function withdrawKm(
  { topology, repository, world, news, routes, desk, filling, reports }: WithdrawalParts,
  km: string,
): void {
  const node = topology.nodes.get(km);
  repository.notServed(km, node?.reportedAlone() ?? []);
  node?.applications.clear();
  desk.withdrawn(km);
  reports.withdrawn(km);
  for (const pair of routes.pairsOf(km)) {
    const bits = filling.takeBack(pair);
    const text = `${bits} bits that were ordered taken back: ${km} was`;
    if (bits > 0) news.tell("policy", pair, text);
  }
  for (const name of topology.takeBackOrders(km)) {
    world.save("service", name, undefined);
    news.tell("service", name, `what was ordered of it taken back: ${km} was`);
  }
  routes.ends.withdrawn(km);
  routes.judge(topology.notTold(km, new Set()));
  topology.withdrawn(km);
}
