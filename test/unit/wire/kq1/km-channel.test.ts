import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import test from "ava";
import { systemClock } from "../../../../src/base/clock.ts";
import { ms } from "../../../../src/base/duration.ts";
import { silentLog } from "../../../../src/base/log.ts";
import { KmChannel } from "../../../../src/node/module/km-channel.ts";
import { KqDeframer } from "../../../../src/wire/kq1/frame.ts";
import { parameter } from "../../../../src/wire/kq1/names.ts";
import { durable, withBench } from "../../../rig/custody-bench.ts";

test("a KM is told of the module that is served now, also where another one was accepted", async (t) => {
  await withBench({ keyBits: 256 }, async (bench) => {
    const { module, custody } = bench;
    const told: string[] = [];
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.on("error", () => {});
      const deframer = new KqDeframer(({ payload }) => {
        const said = JSON.parse(payload.toString());
        told.push(`${said[parameter.moduleId]} ${said[parameter.matchingModuleId]}`);
        server.emit("told");
      });
      socket.on("data", (bytes: Buffer) => deframer.push(bytes));
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const km = new KmChannel(
      {
        name: "km",
        serverName: "km",
        endpoint: () => ({
          host: "127.0.0.1",
          port,
          serverName: "km",
          tls: undefined,
          connectTimeout: ms(5_000),
        }),
        https: undefined,
        window: 8,
        answerTimeout: ms(60_000),
      },
      { custody, clock: systemClock, log: silentLog, random: () => 0, onChange: () => {} },
    );
    try {
      module.add(0);
      module.connect(custody);
      const first = once(server, "told");
      km.start("QKD-A", "QKD-B");
      module.offer();
      await durable(bench);
      await first;
      const second = once(server, "told");
      km.start("QKD-Z", "QKD-Y");
      km.start("QKD-Z", "QKD-Y");
      await second;
      t.deepEqual(told, ["QKD-A QKD-B", "QKD-Z QKD-Y"], "what was not answered is not lost");
      t.is(sockets.size, 2);
      t.true(km.up);
    } finally {
      await km.stop();
      for (const socket of sockets) socket.destroy();
      server.close();
    }
  });
});
