/** The suite for KMs against the key manager's own servers of Kq-1, over real TLS. */
import test from "ava";
import { HttpsSupplyServer } from "../../src/km/io/https-supply-server.ts";
import { Kq1Server } from "../../src/km/io/kq1-server.ts";
import { Turn } from "../../src/km/io/turn.ts";
import { openIntake, quiet } from "../rig/kq1-intake.ts";
import { MemoryKeyStore } from "../rig/memory-key-store.ts";
import { each } from "../whole-run.ts";
import { createPki, type Pki, targetAt } from "./km/rig.ts";
import { casesFor } from "./km/suite.ts";
import { runAll } from "./run.ts";

let pki: Pki;
test.before(async () => {
  pki = await createPki();
});

for (const binding of each(["https", "tcp"] as const)) {
  test(`the key manager passes all of it over ${binding}, restarts included`, async (t) => {
    const store = new MemoryKeyStore();
    const tls = { cert: String(pki.km.cert), key: String(pki.km.key), ca: pki.ca.cert };
    let server: Kq1Server | HttpsSupplyServer;
    let port = 0;
    const start = async () => {
      const turn = new Turn(openIntake(store).intake);
      const options = { host: "127.0.0.1", port, tls, turn, log: quiet };
      server = binding === "tcp" ? new Kq1Server(options) : new HttpsSupplyServer(options);
      port = await server.listen();
    };
    await start();
    t.teardown(() => server.close());
    const restart = async () => {
      await server.close();
      await start();
    };
    const target = targetAt(pki, binding, port, { restart });
    const report = await runAll("the key manager", casesFor(target));
    for (const { id, outcome, reason, notes } of report.results) {
      t.is(outcome, "passed", `${id}: ${reason}`);
      if (notes?.length) t.log(id, notes);
    }
    t.is(report.skipped, 0);
  });
}
