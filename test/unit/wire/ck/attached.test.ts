import test from "ava";
import { AttachedKms } from "../../../../src/wire/ck/attached.ts";
import { CkSession } from "../../../../src/wire/ck/session.ts";
import { ManualClock } from "../../../clock.ts";

function session(): CkSession {
  return new CkSession({
    side: "controller",
    carrier: { send: () => {}, since: undefined, close: () => {} },
    clock: new ManualClock(),
    ours: false,
    handlers: { onCommand: () => {}, onEnd: () => {} },
  });
}

test("of the connections of a KM the newest counts, and the end of an older one changes nothing", (t) => {
  const kms = new AttachedKms();
  const [first, second, other] = [session(), session(), session()];
  kms.attach("km-a", first);
  kms.attach("km-b", other);
  kms.attach("km-a", second);
  t.deepEqual([first.isOver, second.isOver, other.isOver], [true, false, false]);
  kms.detach("km-a", first);
  t.true(kms.of("km-a") === second);
  kms.detach("km-a", second);
  t.is(kms.of("km-a"), undefined);
  t.is(kms.size, 1);
});
