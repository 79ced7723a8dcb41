/**
 * Feeds the key managers of a link at a steady rate, in a process that does nothing else: where stock is looked at in
 * the same one, keys were sent up to 50 ms late, and that counted as theirs. Begins when it is told, of a clock that all
 * processes of the machine share.
 */
import { randomBytes } from "node:crypto";
import { connectFeed, drawIds, type FeedAt, feed } from "./km-feed.ts";

export interface FeedOrder {
  readonly kms: readonly FeedAt[];
  /** Module IDs, that of the first key manager first. */
  readonly modules: readonly [string, string];
  readonly count: number;
  readonly keyBytes: number;
  readonly window: number;
  /** Keys a second. */
  readonly rate: number;
}

const order = JSON.parse(process.argv[3] ?? "") as FeedOrder;
const { modules, count, keyBytes, window, rate } = order;
const ids = drawIds(count);
const key = randomBytes(keyBytes);
const sockets = await Promise.all(order.kms.map(connectFeed));
process.once("message", (begin: string) => {
  const at = performance.now() + Number(BigInt(begin) - process.hrtime.bigint()) / 1e6;
  for (const [i, socket] of sockets.entries()) {
    const own = [modules[i], modules[1 - i]] as [string, string];
    void feed({ socket, modules: own, ids, key, window, rate, at });
  }
});
process.send?.("ready");
