/** `/metrics`: what a program's families are written as, and what its process uses. */
import { contentTypes, exposition, type Family, formatFor } from "../metrics/exposition.ts";
import type { ProcessFacts } from "./process.ts";
import { sendText } from "./reply.ts";
import type { Exchange } from "./server.ts";
import { usageNow } from "./usage.ts";

/** @param viewers browsers that watch the page @param families all of them */
export function sendMetrics(
  { request, response }: Exchange,
  viewers: number,
  families: (facts: ProcessFacts) => readonly Family[],
): void {
  const format = formatFor(request.headers.accept);
  const text = exposition(families(usageNow(viewers)), format);
  sendText(response, 200, contentTypes[format], text, { vary: "accept" });
}
