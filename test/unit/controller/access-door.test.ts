import { once } from "node:events";
import { connect } from "node:tls";
import test from "ava";
import { silentLog } from "../../../src/base/log.ts";
import { CkDoor } from "../../../src/controller/io/ck-door.ts";
import { accessDoor } from "../../../src/controller/wiring/credentials.ts";
import { createAuthority } from "../../emulator/certificates.ts";
import { eventually } from "../../eventually.ts";

test("who was taken back is cut also while certificate and key do not belong together, and the look ends nothing", async (t) => {
  const ca = await createAuthority("CA");
  const [own, other, km] = await Promise.all(
    ["controller", "controller", "km"].map((commonName) =>
      ca.issue({ commonName, dns: [commonName], usage: "both", days: 90 }),
    ),
  );
  if (own === undefined || other === undefined || km === undefined) return t.fail();
  const [none, one] = [await ca.revoke([]), await ca.revoke([km.cert])];
  const refuse = () => Promise.reject(new Error("not asked for"));
  const not = () => {};
  const handlers = { attached: not, detached: not, command: not, tooFast: not, call: refuse };
  let now = { ca: ca.cert, ...own, told: none };
  const door = new CkDoor({
    ...{ host: "127.0.0.1", port: 0, tls: now, kmOf: () => "km", handlers, log: silentLog },
  });
  t.teardown(() => door.close());
  const port = await door.listen();
  let number = 1;
  const access = accessDoor(
    door,
    () => now,
    () => number,
    silentLog,
  );
  const socket = connect({ ...km, host: "127.0.0.1", port, ca: ca.cert, servername: "controller" });
  t.teardown(() => socket.destroy());
  socket.resume().on("error", () => {});
  await once(socket, "secureConnect");

  now = { ...now, key: other.key, told: one };
  number = 2;
  t.notThrows(() => access.look());
  await eventually("its end", () => socket.destroyed, { is: true });
});
