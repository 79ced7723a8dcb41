import test from "ava";
import { hostileApplications } from "../campaign/hostile-applications.ts";
import { rounds } from "../campaign-scale.ts";

test("hostile applications by the thousand: none gets a key of another, and none is lost", async (t) => {
  t.timeout(300_000);
  const requests = rounds(5_000);
  const result = await hostileApplications(requests, 14);
  t.log(JSON.stringify(result));
  t.is(result.sent, requests);
  t.is(result.others, 0);
  t.is(result.failures, 0);
  t.is(result.lost, 0);
  t.is(result.failed, 0);
  t.true(result.honest > 0);
  // Some of what they send is right, so that it is looked at all the way.
  t.true(result.served > 0);
  t.true(result.lines < 400, "lines of the logs");
  // As in the floods: a program that compiles as it goes.
  t.true(result.growth_mb < 160, "memory");
});
