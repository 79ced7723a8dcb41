/** Two controllers that each lead, and order opposite things of one link: real processes, TLS. */
import test from "ava";
import { markExtensions } from "../../src/wire/ck/marks.ts";
import type { Service } from "../../src/wire/ck/names.ts";
import type { CkSession } from "../../src/wire/ck/session.ts";
import { eventually } from "../eventually.ts";
import { startCkNet } from "../rig/ck-net.ts";

test.serial("orders that undo each other are an alarm, which says whose they are", async (t) => {
  const ck = await startCkNet(t, {
    kms: ["a", "b"],
    fibres: [["a", "b"]],
    far: [],
    bindings: { a: "tcp" },
    standby: true,
  });
  const { status } = ck.net.km("a");
  const second = await eventually("it is connected", () => ck.second.kms.of("km-a"), {
    when: (session) => session !== undefined,
  });
  const serve = async (session: CkSession | undefined, service: Service) => {
    const ends = { sourceKma: "km-a", destinationKma: "km-b", transitKmas: [] };
    const answered = await session?.request({
      type: "relayRequest",
      ...ends,
      requestId: "1",
      extension: markExtensions({ service }),
    });
    t.like(answered?.message, { response: "success" });
  };
  const alarms = async () =>
    (await status()).alarms.flatMap(({ alarm, detail }) =>
      /^controllers_disagree/.test(alarm) ? `${alarm}: ${detail}` : [],
    );
  const first = await ck.session("a");
  for (let n = 0; n < 2; n++) {
    await serve(first, "out_of_service");
    await serve(second, "in_service");
  }
  t.deepEqual(await alarms(), [], "it may have been an operator who looks for something");
  await serve(first, "out_of_service");
  t.deepEqual(await alarms(), [
    "controllers_disagree.b: service of b: two orders in service, one out of service",
  ]);
});
