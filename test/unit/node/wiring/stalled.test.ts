/** A ledger whose write does not end has not failed; after ten seconds it is told of all the same. */
import test from "ava";
import { describe, Fault } from "../../../../src/base/errors.ts";
import { Progress } from "../../../../src/host/life/progress.ts";
import { ledgerPath } from "../../../../src/node/ledger/ledger-folder.ts";
import { writingTo } from "../../../../src/node/ledger/ledger-write.ts";
import { ledgerTroubles } from "../../../../src/node/wiring/stalled.ts";
import { ManualClock } from "../../../clock.ts";

test("a write that does not end is told of until it ends; what failed is told at once", async (t) => {
  const clock = new ManualClock();
  const progress = new Progress();
  const ledger: { failure: Fault | undefined } = { failure: undefined };
  const missing = new Fault("ledger.missing", "the ledger is not there");
  const closed = [{ name: "east", failure: missing }];
  const place = { progress, clock, stateFolder: "/state" };
  const troubles = ledgerTroubles(new Map([["west", ledger]]), closed, place);
  const west = () => {
    const trouble = troubles.get("west")?.();
    return trouble && describe(trouble);
  };
  t.is(troubles.get("east")?.(), missing);
  const begin = progress.beginner(clock);
  const file = ledgerPath("/state", "west");
  const end = begin(writingTo(file));
  begin(writingTo(ledgerPath("/state", "north")));
  await clock.advance(9_000);
  t.is(west(), undefined);
  await clock.advance(1_000);
  t.is(west(), `the disk does not answer (file=${file})`);
  end();
  const next = begin(writingTo(file));
  t.is(west(), undefined, "the next write has only begun");
  next();
  ledger.failure = missing;
  t.is(west(), describe(missing));
});
