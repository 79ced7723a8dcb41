/** Ck over gRPC against `@grpc/grpc-js`, as a key manager and as a controller; its messages are what `protobufjs` makes of our `.proto`. */
import { fileURLToPath } from "node:url";
import * as grpc from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import test from "ava";
import { eventually } from "../eventually.ts";
import { type CkBench, withCk } from "../rig/ck-bench.ts";
import { samples } from "../rig/ck-samples.ts";

interface Message {
  readonly [name: string]: unknown;
  readonly message_id?: number | undefined;
  readonly message?: string;
}
type Clients = Record<"QkdnController" | "KeyManager", grpc.ServiceClientConstructor>;

/** Of the RPC that is a stream. */
const connect = "Connect";
const proto = fileURLToPath(new URL("../../contract/ck.proto", import.meta.url));
const loaded = grpc.loadPackageDefinition(loadSync(proto, { keepCase: true, oneofs: true }));
const { QkdnController } = (loaded as unknown as { qkd: { ck: { v1: Clients } } }).qkd.ck.v1;

async function pem({ identity }: CkBench, name: string) {
  const { ca, cert, key } = await identity(name);
  return [ca, key, cert].map((text) => Buffer.from(text as string)) as [Buffer, Buffer, Buffer];
}

/** Without what an empty message of proto3 has. */
function told(message: Message): Message {
  const isEmpty = (value: unknown) =>
    value === "" || value === 0 || value === false || (Array.isArray(value) && value.length === 0);
  return Object.fromEntries(Object.entries(message).filter(([, value]) => !isEmpty(value)));
}

test("a KM of grpc-js asks a controller of ours by RPC, and attaches over the stream", async (t) => {
  await withCk(async (bench) => {
    const { controller, port } = bench;
    controller.answer = (message) =>
      message.type === "nextHopRequest" ? samples.nextHopResponse : undefined;
    const credentials = grpc.credentials.createSsl(...(await pem(bench, "km-p.example")));
    const client = new QkdnController(`127.0.0.1:${port}`, credentials, {
      "grpc.ssl_target_name_override": "controller.example",
      "grpc.default_authority": "controller.example",
    });
    t.teardown(() => client.close());
    const call = (rpc: string, message: Message) =>
      new Promise<Message>((resolve) => {
        client[rpc]?.(message, (error: grpc.ServiceError | null, answer: Message) =>
          resolve(error === null ? answer : { code: error.code, details: error.details }),
        );
      });
    t.deepEqual(told(await call("GetNextHop", { start_km: "kma-a", end_km: "kma-c" })), {
      start_km: "kma-a",
      end_km: "kma-c",
      kma_id: ["kma-b", "kma-d"],
    });
    t.deepEqual(await call("GetNextHop", { start_km: "kma-a" }), {
      code: grpc.status.INVALID_ARGUMENT,
      details: "message of Ck names no destination",
    });

    const stream = client[connect]?.() as grpc.ClientDuplexStream<Message, Message>;
    const heard: Message[] = [];
    stream.on("data", (message: Message) => heard.push(message));
    stream.on("error", () => {});
    const report = { source_km_id: "km-p", timestamp: "2026-06-01T00:00:00Z", whole: true };
    stream.write({ message_id: 1, report });
    await eventually("the answer to its report", () => heard.length, { is: 1 });
    t.like(heard[0], { message_id: 1, message: "report_response" });
    t.like(controller.reports, [{ sourceKm: "km-p", whole: true }]);
    const reserved = controller.kms.of("km-p.example")?.request(samples.reservationRequest);
    await eventually("the reservation", () => heard.length, { is: 2 });
    const [, asked] = heard;
    t.like(asked, { message_id: 2 ** 31, key_reservation_request: { end_km: "kma-c" } });
    const key_reservation_response = { key_id: ["key-1", "key-2"] };
    stream.write({ message_id: asked?.message_id, key_reservation_response });
    t.like((await reserved)?.message, { response: "success", keyIds: ["key-1", "key-2"] });
    stream.cancel();
    await eventually("the end", () => controller.ends.length, { is: 1 });
  });
});

test("a KM of ours attaches to a controller of grpc-js", async (t) => {
  await withCk(async (bench) => {
    const [ca, private_key, cert_chain] = await pem(bench, "peer.example");
    const server = new grpc.Server();
    t.teardown(() => server.forceShutdown());
    const heard: Message[] = [];
    const answers: Readonly<Record<string, Message>> = {
      report: { report_response: {} },
      session_creation_request: {
        session_creation_response: { session_id: "session-9", destination_km_id: "km-c" },
      },
    };
    const { service } = QkdnController;
    server.addService(service, {
      Connect(stream: grpc.ServerDuplexStream<Message, Message>) {
        stream.on("data", (message: Message) => {
          heard.push(message);
          const answer = answers[String(message.message)];
          if (answer) stream.write({ message_id: message.message_id, ...answer });
        });
        stream.on("error", () => {});
        const key_allocation_request = { start_km: "a", end_km: "c", key_id: ["key-1"] };
        stream.write({ message_id: 2 ** 31, key_allocation_request });
      },
    });
    const credentials = grpc.ServerCredentials.createSsl(ca, [{ private_key, cert_chain }], true);
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync("127.0.0.1:0", credentials, (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      );
    });
    const { end, link } = bench.km({ port, serverName: "peer.example", binding: "grpc" });
    link.start();
    await eventually("a session", () => end.sessions.length, { is: 1 });
    const asked = await eventually("the allocation", () => end.asked[0]);
    t.like(asked?.message, { type: "allocationRequest", keyIds: ["key-1"] });
    await asked?.reply(samples.allocationResponse);
    const session = await end.session.request(samples.sessionRequest);
    t.like(session.message, { type: "sessionResponse", sessionId: "session-9" });
    const all = () => heard.map(({ message }) => message).sort();
    const expected = ["key_allocation_response", "report", "session_creation_request"];
    await eventually("all that it said", all, { is: expected });
    server.forceShutdown();
    await eventually("the end", () => end.ends.length, { atLeast: 1 });
  });
});
