/** Connections of one key manager at the controller's door: those that it does not use keep it out of none. */
import { once } from "node:events";
import { type ClientHttp2Session, connect as connectHttp2 } from "node:http2";
import { connect } from "node:tls";
import test from "ava";
import { eventually } from "../../eventually.ts";
import { KmEnd } from "../../rig/ck-bench.ts";
import { serverName, wireController } from "../../rig/wire-controller.ts";

/** A connection over gRPC that is open, answers what is asked of it, and begins no call. */
async function idle(port: number, tls: object): Promise<ClientHttp2Session> {
  const socket = connect({
    ...{ ...tls, host: "127.0.0.1", port, servername: serverName, ALPNProtocols: ["h2"] },
  });
  const session = connectHttp2(`https://${serverName}`, { createConnection: () => socket });
  session.on("error", () => {});
  await once(session, "remoteSettings");
  return session;
}

for (const binding of ["tcp", "grpc"] as const) {
  test(`idle connections with its certificate keep no key manager out, over ${binding}`, async (t) => {
    const controller = await wireController(["km"]);
    t.teardown(() => controller.close());
    const { port } = controller;
    const tls = await controller.identity("km");
    const copies: ClientHttp2Session[] = [];
    for (let i = 0; i < 4; i++) copies.push(await idle(port, tls));
    const end = new KmEnd();
    const link = await controller.km("km", end.handlers, [], binding, tls);
    await eventually("it is attached", () => end.sessions.length, { is: 1 });
    // Others that come then take the place of idle ones, and not of the one that is used.
    for (let i = 0; i < 4; i++) copies.push(await idle(port, tls));
    const open = () => copies.filter(({ destroyed }) => !destroyed).length;
    await eventually("idle ones beside it", open, { is: 3 });
    t.false(end.session.isOver);
    t.is(end.sessions.length, 1);
    await link.stop();
    for (const one of copies) one.destroy();
  });
}
