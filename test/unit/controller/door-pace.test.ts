/** A key manager that sends without end: it is read at its pace, and costs the others nothing. */
import test from "ava";
import { silentLog } from "../../../src/base/log.ts";
import { CkDoor } from "../../../src/controller/io/ck-door.ts";
import { CkLink } from "../../../src/km/io/ck-link.ts";
import { success } from "../../../src/wire/ck/names.ts";
import { ManualClock } from "../../clock.ts";
import { createAuthority } from "../../emulator/certificates.ts";
import { eventually } from "../../eventually.ts";
import { KmEnd } from "../../rig/ck-bench.ts";

const host = "127.0.0.1";
const serverName = "controller.example";
/** Of a report of 96 KB. */
const extension = Array.from({ length: 12 }, () => ({ made_up: "x".repeat(8_000) }));
const many = 120;
/** So many are more than may be sent at once, 4 MiB. */
const tooMany = 50;

for (const binding of ["tcp", "grpc"] as const) {
  test(`a key manager that sends without end is read at its pace, over ${binding}`, async (t) => {
    const ca = await createAuthority("QKDN CA");
    const identity = async (name: string) => {
      const issued = await ca.issue({ commonName: name, dns: [name], usage: "both" });
      return { ...issued, ca: ca.cert };
    };
    const clock = ManualClock.ofToday();
    const heard = new Map<string, number>();
    const tooFast: string[] = [];
    const door = new CkDoor({
      ...{ host, port: 0, tls: await identity(serverName), clock, log: silentLog },
      kmOf: ([name]) => name,
      handlers: {
        attached: () => {},
        detached: () => {},
        command(km, { reply }) {
          heard.set(km, (heard.get(km) ?? 0) + 1);
          reply({ type: "reportResponse", response: success }).catch(() => {});
        },
        tooFast: (km) => tooFast.push(km),
        call: () => Promise.resolve(undefined),
      },
    });
    t.teardown(() => door.close());
    const port = await door.listen();
    const attach = async (name: string) => {
      const [end, tls] = [new KmEnd(), await identity(name)];
      const report = () => ({ type: "report", sourceKm: name, at: Date.now() }) as const;
      const link = new CkLink({
        ...{ name: "controller", host, port, serverName, binding, log: silentLog },
        ...{ tls: () => tls, report, handlers: end.handlers },
      });
      link.start();
      t.teardown(() => link.stop());
      await eventually(`${name} is attached`, () => end.sessions.length, { atLeast: 1 });
      return { end, report };
    };
    const [flooder, other] = [await attach("flooder"), await attach("other")];
    // Also on another connection, if a busy machine has let it end.
    const flood = () => {
      const { session } = flooder.end;
      while (!session.isOver && session.waiting < many) {
        session.request({ ...flooder.report(), extension }, 600_000).catch(() => {});
      }
    };
    const found = () => {
      flood();
      return tooFast;
    };
    await eventually("it is found too fast", found, { is: ["flooder"] });
    const answer = await other.end.session.request(other.report());
    t.is(answer.message.response, success);
    // While no time passes no more is read of it than it may send at once.
    const before = heard.get("flooder") ?? 0;
    t.true(before < tooMany, `${before}`);
    const later = async () => {
      flood();
      await clock.advance(100);
      return heard.get("flooder") ?? 0;
    };
    await eventually("in time more is read", later, { atLeast: tooMany });
    t.deepEqual(tooFast, ["flooder"]);
  });
}
