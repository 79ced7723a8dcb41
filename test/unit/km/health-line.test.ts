/** How a key manager is, in one line: an update on trial goes by it. */
import test from "ava";
import { healthLine } from "../../../src/km/model/health.ts";

test("a key manager is healthy once all of its links have a session", (t) => {
  const link = (peer: string, session: "down" | "comparing" | "ready") => ({ peer, session });
  t.is(healthLine([link("km-b", "ready")]), "healthy: 1 link");
  t.is(healthLine([]), "healthy: 0 links");
  t.is(
    healthLine([link("km-b", "ready"), link("km-c", "comparing")]),
    "not healthy: no session with km-c",
  );
});
