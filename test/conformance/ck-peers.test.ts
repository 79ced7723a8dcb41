/** Ck against ends that are not ours: Python's grpcio from our `.proto`, and Python's standard library from Appendix I. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { ExecutionContext } from "ava";
import { systemClock } from "../../src/base/clock.ts";
import { GrpcClient } from "../../src/host/grpc/client.ts";
import { dialCk } from "../../src/km/io/ck-dial.ts";
import { refusalOf } from "../../src/wire/ck/check.ts";
import { decodeMessage, encodeMessage } from "../../src/wire/ck/grpc.ts";
import type { CkMessage } from "../../src/wire/ck/messages.ts";
import { pathOf } from "../../src/wire/ck/rpc.ts";
import { eventually } from "../eventually.ts";
import { testWith } from "../needs.ts";
import { grpcio, pythonWithGrpc } from "../peer-ck/python.ts";
import { type CkBench, withCk } from "../rig/ck-bench.ts";
import { samples } from "../rig/ck-samples.ts";

const path = (file: string) => fileURLToPath(new URL(file, import.meta.url));
interface Seen {
  readonly what: string;
  readonly [name: string]: unknown;
}

/** A program that tells what it sees, and ends with the test. */
async function peer(
  t: ExecutionContext,
  { identity }: CkBench,
  name: string,
  [program, ...args]: readonly string[],
  port: number | string,
) {
  const folder = mkdtempSync(join(tmpdir(), "qkd-ck-"));
  const { ca, cert, key } = await identity(name);
  writeFileSync(join(folder, "ca.crt"), ca);
  writeFileSync(join(folder, "peer.crt"), cert);
  writeFileSync(join(folder, "peer.key"), key, { mode: 0o600 });
  const child = spawn(program as string, [...args, folder, String(port)], {
    stdio: ["pipe", "pipe", "pipe"],
  });
  const seen: Seen[] = [];
  let errors = "";
  child.stderr.on("data", (chunk) => {
    errors += chunk;
  });
  createInterface(child.stdout).on("line", (line) => seen.push(JSON.parse(line)));
  const exited = once(child, "exit");
  t.teardown(async () => {
    child.kill("SIGKILL");
    await exited;
    rmSync(folder, { recursive: true });
  });
  const about = () => errors.slice(-2_000);
  const wait = (what: string, nth = 0) =>
    eventually(what, () => seen.filter((one) => one.what === what)[nth], {
      about,
    }) as Promise<Seen>;
  return { seen, wait, exited, end: () => child.stdin.end() };
}

function descriptors(t: ExecutionContext): string {
  const folder = mkdtempSync(join(tmpdir(), "qkd-proto-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "ck.desc");
  const contract = path("../../contract");
  execFileSync("protoc", [`--proto_path=${contract}`, `--descriptor_set_out=${file}`, "ck.proto"]);
  return file;
}

const answers = (message: CkMessage): CkMessage =>
  message.type === "nextHopRequest" ? samples.nextHopResponse : samples.relayRequest;

testWith(grpcio, "a KM of grpcio attaches to a controller of ours", async (t) => {
  const python = pythonWithGrpc as string;
  await withCk(async (bench) => {
    const { controller } = bench;
    controller.answer = answers;
    const script = [python, path("../peer-ck/over_grpc.py"), "client", descriptors(t)];
    const km = await peer(t, bench, "km-p.example", script, bench.port);
    const route = await eventually("the notification", () => controller.asked[0]);
    const result = route?.reply(samples.relayRequest);
    t.deepEqual(await result, samples.relayResponse);
    const reserved = await controller.kms.of("km-p.example")?.request(samples.reservationRequest);
    t.deepEqual(reserved?.message, {
      type: "reservationResponse",
      response: "success",
      keyIds: ["key-1", "key-2"],
    });
    await km.exited;
    t.deepEqual(km.seen, [
      {
        what: "GetNextHop",
        message: { start_km: "kma-a", end_km: "kma-c", kma_id: ["kma-b", "kma-d"] },
      },
      {
        what: "NotifyKeyRelayRequest",
        message: {
          start_km: "kma-a",
          end_km: "kma-c",
          kma_id: ["kma-b"],
          keyrelayrequest_id: "relay-7",
        },
      },
      { what: "TellKeyRelay", message: {} },
      {
        what: "NoSuchMethod",
        status: "UNIMPLEMENTED",
        details: "there is no such method",
        message: {},
      },
      {
        what: "GetNextHop",
        status: "INVALID_ARGUMENT",
        details: "message of Ck names no destination",
        message: {},
      },
      {
        what: "TellReport",
        status: "RESOURCE_EXHAUSTED",
        details: "message of 1100004 bytes, the limit is 1048640",
        message: {},
      },
      { what: "report_response", id: 1, message: {} },
      {
        what: "key_relay_request",
        id: 2,
        message: {
          start_km: "kma-a",
          end_km: "kma-c",
          kma_id: ["kma-b"],
          keyrelayrequest_id: "relay-7",
        },
      },
      {
        what: "key_reservation_request",
        id: 2 ** 31,
        message: { start_km: "kma-a", end_km: "kma-c", application_destination_id: "app-c" },
      },
    ]);
    t.deepEqual(
      controller.unary.map(({ type }) => type),
      ["nextHopRequest", "relayNotification", "relayResponse"],
    );
    t.like(controller.reports, [{ sourceKm: "km-p", whole: true }]);
  });
});

testWith(
  grpcio,
  "a KM of ours attaches to a controller of grpcio, and asks a KM of it by RPC",
  async (t) => {
    const python = pythonWithGrpc as string;
    await withCk(async (bench) => {
      const script = [python, path("../peer-ck/over_grpc.py"), "server", descriptors(t)];
      const other = await peer(t, bench, "peer.example", script, "0");
      const { port } = (await other.wait("listening")) as unknown as { readonly port: number };
      const { end, link } = bench.km({ port, serverName: "peer.example", binding: "grpc" });
      link.start();
      await eventually("a session", () => end.sessions.length, { is: 1 });
      t.like(await other.wait("report"), { id: 1, message: { source_km_id: "km-a", whole: true } });
      const asked = await eventually("the allocation", () => end.asked[0]);
      t.like(asked?.message, { type: "allocationRequest", keyIds: ["key-1"] });
      await asked?.reply(samples.allocationResponse);
      t.like(await other.wait("key_allocation_response"), {
        id: 2 ** 31,
        message: { result_code: 1, error_message: "unknown_key_id", start_km: "kma-a" },
      });
      const session = await end.session.request(samples.sessionRequest);
      t.deepEqual(session.message, samples.sessionResponse);

      const signal = new AbortController().signal;
      const endpoint = {
        host: "127.0.0.1",
        port,
        serverName: "peer.example",
        binding: "grpc",
      } as const;
      const socket = await dialCk(endpoint, bench.tls, systemClock, signal);
      const limits = { message: 1_000_000, waiting: 1_000_000, stalledMs: 5_000 };
      const client = new GrpcClient({
        socket,
        authority: "peer.example",
        limits,
        clock: systemClock,
        onEnd: () => {},
      });
      t.teardown(() => client.close());
      for (const [destinationKma, why] of [
        ["kma-c", undefined],
        ["kma-z", "no_route"],
      ] as const) {
        const request = { ...samples.reservationRequest, destinationKma };
        const bytes = await client.unary(pathOf(request.type), encodeMessage(request), 20_000);
        t.is(refusalOf(decodeMessage("reservationResponse", bytes)), why);
      }
      // A server that is gone ends the session.
      other.end();
      await eventually("the end", () => end.ends.length, { atLeast: 1 });
      t.is(end.ends[0]?.code, "ck.closed");
    });
  },
);

testWith(
  "python3",
  "a KM of Python's standard library attaches to a controller of ours, over TCP",
  async (t, python) => {
    await withCk(async (bench) => {
      const { controller } = bench;
      const km = await peer(
        t,
        bench,
        "km-p.example",
        [python, path("../peer-ck/over_tcp.py"), "client"],
        bench.port,
      );
      const hop = await eventually("the request", () => controller.asked.shift());
      await hop?.reply(samples.nextHopResponse);
      const route = await eventually("the notification", () => controller.asked.shift());
      t.deepEqual(await route?.reply(samples.relayRequest), {
        type: "relayResponse",
        response: "success",
      });
      const session = controller.kms.of("km-p.example");
      const { message: reserved } = (await session?.request(samples.reservationRequest)) ?? {};
      t.like(reserved, { response: "success", keyIds: ["key-1", "key-2"] });
      const { message: allocated } = (await session?.request(samples.allocationRequest)) ?? {};
      t.like(allocated, { response: "the key is gone" });
      await km.exited;
      const [first, ...others] = km.seen;
      const { type: _, ...told } = samples.nextHopResponse;
      t.deepEqual(first, {
        what: "0x4102",
        id: 1,
        version: 1,
        message: {
          source_kma_id: told.sourceKma,
          destination_kma_id: told.destinationKma,
          next_kma_ids: told.nextKmas,
        },
      });
      t.deepEqual(
        others.map(({ what, id }) => [what, id]),
        [
          ["0x4104", 2],
          ["0x410A", 2 ** 31],
          ["0x410C", 2 ** 31 + 1],
          ["0x4104", 3],
        ],
      );
      // What names no destination is refused in words.
      t.like(others.at(-1), {
        message: { transit_kma_ids: [], extension: [{ response: "invalid_message" }] },
      });
      // It has none of the messages that are ours.
      t.deepEqual(controller.reports, []);
    });
  },
);

testWith(
  "python3",
  "a KM of ours attaches to a controller of Python's standard library, over TCP",
  async (t, python) => {
    await withCk(async (bench) => {
      const script = [python, path("../peer-ck/over_tcp.py"), "server"];
      const other = await peer(t, bench, "peer.example", script, "0");
      const { port } = (await other.wait("listening")) as unknown as { readonly port: number };
      const { end, link } = bench.km({ port, serverName: "peer.example" });
      link.start();
      await eventually("a session", () => end.sessions.length, { is: 1 });
      const session = end.session.request(samples.sessionRequest);
      const asked = await eventually("the allocation", () => end.asked[0]);
      t.like(asked?.message, { type: "allocationRequest", keyIds: ["key-1"] });
      await asked?.reply({ type: "allocationResponse", response: "success" });
      t.deepEqual((await session).message, samples.sessionResponse);
      await eventually("what the other saw", () => other.seen.length, { is: 3 });
      t.deepEqual(other.seen.slice(1), [
        {
          what: "0x1406",
          id: 1,
          version: 1,
          message: {
            application_source_id: "app-a",
            application_destination_id: "app-c",
            number: 300,
          },
        },
        { what: "0x140D", id: 1, version: 1, message: { response: "success" } },
      ]);
      await link.stop();
      await other.wait("closed");
    });
  },
);
