/** `/metrics`: what a program's families are written as, and what its process uses. */
import { contentTypes, exposition, type Family, formatFor } from "../metrics/exposition.ts";
import type { ProcessFacts } from "./process.ts";
import { sendText } from "./reply.ts";
import type { Exchange } from "./server.ts";

/** @param viewers browsers that watch the page @param families all of them */
export function sendMetrics(
  { request, response }: Exchange,
  viewers: number,
  families: (facts: ProcessFacts) => readonly Family[],
): void {
  const { user, system } = process.cpuUsage();
  const { rss, heapUsed } = process.memoryUsage();
  const cpuSeconds = (user + system) / 1e6;
  const facts = { cpuSeconds, residentBytes: rss, heapBytes: heapUsed, viewers };
  const format = formatFor(request.headers.accept);
  const text = exposition(families(facts), format);
  sendText(response, 200, contentTypes[format], text, { vary: "accept" });
}
