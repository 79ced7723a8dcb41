import test from "ava";
import { systemClock } from "../../../../src/base/clock.ts";
import { Fault } from "../../../../src/base/errors.ts";
import { silentLog } from "../../../../src/base/log.ts";
import { GrpcClient } from "../../../../src/host/grpc/client.ts";
import { GrpcError, grpcStatus } from "../../../../src/host/grpc/status.ts";
import { dialCk } from "../../../../src/km/io/ck-dial.ts";
import { CkDoor } from "../../../../src/km/io/ck-door.ts";
import { refuse } from "../../../../src/wire/ck/check.ts";
import { decodeMessage, encodeMessage } from "../../../../src/wire/ck/grpc.ts";
import type { CkMessage } from "../../../../src/wire/ck/messages.ts";
import { pathOf } from "../../../../src/wire/ck/rpc.ts";
import { messageTypes, specOf } from "../../../../src/wire/ck/table.ts";
import { withCk } from "../../../rig/ck-bench.ts";
import { allSamples, samples } from "../../../rig/ck-samples.ts";

const limits = { message: 1_100_000, waiting: 1_000_000, stalledMs: 5_000 };
const answerTo = ({ type }: CkMessage) =>
  allSamples.find((one) => one.type === specOf[type].answer) as CkMessage;

test("a controller asks a KM by RPCs; who is none is refused, and what is wrong is told", async (t) => {
  await withCk(async ({ identity }) => {
    const [tls, own, stranger] = await Promise.all(
      ["km-a.example", "controller.example", "other.example"].map((name) => identity(name)),
    );
    if (tls === undefined || own === undefined || stranger === undefined) return t.fail();
    const asked: [CkMessage, string][] = [];
    let answer = async (message: CkMessage): Promise<CkMessage> => answerTo(message);
    const door = new CkDoor({
      host: "127.0.0.1",
      port: 0,
      tls,
      controllers: ["controller.example"],
      answer: (message, controller) => {
        asked.push([message, controller]);
        return answer(message);
      },
      log: silentLog,
    });
    const port = await door.listen();
    const endpoint = {
      host: "127.0.0.1",
      port,
      serverName: "km-a.example",
      binding: "grpc",
    } as const;
    const open = async (texts: typeof own) => {
      const socket = await dialCk(endpoint, texts, systemClock, new AbortController().signal);
      return new GrpcClient({
        socket,
        authority: "km-a.example",
        limits,
        clock: systemClock,
        onEnd: () => {},
      });
    };
    const client = await open(own);
    const other = await open(stranger);
    const status = async (call: Promise<unknown>) =>
      (await t.throwsAsync<GrpcError>(call, { instanceOf: GrpcError }))?.status;
    const reserve = (by: GrpcClient) => {
      const request = samples.reservationRequest;
      return by.unary(pathOf(request.type), encodeMessage(request), 20_000);
    };
    for (const type of messageTypes) {
      const { from, answer: answered } = specOf[type];
      if (answered === undefined) continue;
      const call = client.unary(pathOf(type), encodeMessage(samples[type]), 20_000);
      if (from === "km") {
        t.is(await status(call), grpcStatus.unimplemented, type);
        continue;
      }
      const expected = answerTo(samples[type]);
      t.deepEqual(decodeMessage(expected.type, await call), expected);
      t.deepEqual(asked.pop(), [samples[type], "controller.example"]);
    }
    t.is(await status(reserve(other)), grpcStatus.permissionDenied);
    t.deepEqual(asked, []);

    answer = async ({ type }) => refuse(type, "no_keys_available");
    t.deepEqual(decodeMessage("reservationResponse", await reserve(client)), {
      type: "reservationResponse",
      response: "no_keys_available",
    });
    const empty = client.unary(pathOf("reservationRequest"), Buffer.alloc(0), 20_000);
    t.is(await status(empty), grpcStatus.invalidArgument);
    answer = () => Promise.reject(new Fault("ck.busy", "a test"));
    t.is(await status(reserve(client)), grpcStatus.unavailable);
    answer = () => Promise.reject(new Error("a defect"));
    t.is(await status(reserve(client)), grpcStatus.internal);

    t.throws(() => door.renew({ ...tls, cert: stranger.cert }), { code: "ck.connect" });
    t.is(
      (
        await t.throwsAsync<Fault>(
          new CkDoor({
            host: "127.0.0.1",
            port,
            tls,
            controllers: [],
            answer,
            log: silentLog,
          }).listen(),
        )
      )?.code,
      "ck.connect",
    );
    await door.close();
    t.is(await status(reserve(client)), grpcStatus.unavailable);
    other.close();
  });
});
