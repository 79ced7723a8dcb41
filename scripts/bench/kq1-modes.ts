/** Kq-1 in its other mode and binding: keys upon request, and supply over HTTPS. */

import { Agent, request } from "node:https";
import { systemClock } from "../../src/base/clock.ts";
import { ms } from "../../src/base/duration.ts";
import { connectKm, type KmEndpoint, type TlsIdentity } from "../../src/node/io/connect.ts";
import { HttpsSupply } from "../../src/node/io/https-supply.ts";
import { Kq1Session } from "../../src/node/io/session.ts";
import type { OnRequestKeys } from "../../src/node/keys/ports.ts";
import { KqDeframer, writeHeader } from "../../src/wire/kq1/frame.ts";
import { command, header } from "../../src/wire/kq1/names.ts";
import { writeKeyResponse } from "../../src/wire/kq1/request.ts";
import { SupplyWriter } from "../../src/wire/kq1/supply.ts";
import { makeKey, never, sessionOptions, withKm } from "./kq1.ts";
import { type Benchmark, cpuMeter } from "./measure.ts";

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Keys that a KM asks for, out of a stock that has no end. */
function uponRequest(bytes: number, number: number) {
  return (seconds: number) =>
    withKm(
      async (endpoint) => {
        const socket = await connectKm(endpoint, systemClock, never);
        const keys = Array.from({ length: number }, () => makeKey(bytes));
        let asked = 0;
        const desk: OnRequestKeys = {
          unitBits: bytes * 8,
          stored: number,
          request: () => {
            asked++;
            return Promise.resolve({ response: "success", keys });
          },
        };
        const options = { ...sessionOptions(1), desk, kmName: "km" };
        const link = new Kq1Session(socket, options, { answered: () => {} });
        await sleep(300);
        const before = asked;
        const used = cpuMeter();
        const begun = performance.now();
        await sleep(seconds * 1_000);
        const took = (performance.now() - begun) / 1_000;
        const cores = used();
        const value = ((asked - before) * number) / took;
        await link.close();
        return { value, cores };
      },
      ["ask", number, bytes * 8],
    );
}

/** As many bytes as the answers have, for the same requests, read and counted. */
function bareAnswers(bytes: number, number: number) {
  return (seconds: number) =>
    withKm(
      async (endpoint) => {
        const socket = await connectKm(endpoint, systemClock, never);
        const payload = writeKeyResponse("success", Array(number).fill(makeKey(bytes)));
        const answer = Buffer.alloc(header.length + payload.length);
        writeHeader(answer, 0, 1, command.keyRequestResponse, payload.length);
        payload.copy(answer, header.length);
        let asked = 0;
        const deframer = new KqDeframer(() => {
          asked++;
          socket.write(answer);
        });
        socket.on("data", (chunk: Buffer) => deframer.push(chunk));
        await sleep(300);
        const before = asked;
        const used = cpuMeter();
        const begun = performance.now();
        await sleep(seconds * 1_000);
        const took = (performance.now() - begun) / 1_000;
        const cores = used();
        const value = ((asked - before) * number) / took;
        socket.destroy();
        return { value, cores };
      },
      ["ask", number, bytes * 8],
    );
}

/** Keys over HTTPS, a POST for each. */
function https(bytes: number, connections: number) {
  return (seconds: number) =>
    withKm(
      async (endpoint) => {
        const key = makeKey(bytes);
        const done = Promise.withResolvers<void>();
        const window = connections * 2;
        let keys = 0;
        let begun = 0;
        let used = cpuMeter();
        const link = new HttpsSupply(
          {
            endpoint: endpoint as KmEndpoint & { tls: TlsIdentity },
            path: "/",
            moduleId: "QKD-A-0001",
            matchingModuleId: "QKD-B-0001",
            window,
            connections,
            answerTimeout: ms(60_000),
            clock: systemClock,
          },
          {
            answered() {
              keys++;
              if (keys === 2 * window) {
                begun = performance.now();
                used = cpuMeter();
              }
              while (link.room > 0) link.supply(key);
              if (begun > 0 && performance.now() - begun >= seconds * 1_000) done.resolve();
            },
          },
        );
        void link.ended.then((error) => error && done.reject(error));
        while (link.room > 0) link.supply(key);
        await done.promise;
        const took = (performance.now() - begun) / 1_000;
        const cores = used();
        await link.close();
        return { value: (keys - 2 * window) / took, cores };
      },
      ["https"],
    );
}

/** The same requests by Node.js's own client, with a body that was made once. */
function barePosts(bytes: number, connections: number) {
  return (seconds: number) =>
    withKm(
      async ({ host, port, tls }) => {
        const key = makeKey(bytes);
        const frame = Buffer.alloc(4_096 + bytes * 2);
        const end = new SupplyWriter("QKD-A-0001", "QKD-B-0001").write(frame, 0, 1, key);
        const body = frame.subarray(header.length, end);
        const agent = new Agent({ ...tls, servername: "km", keepAlive: true });
        let keys = 0;
        let over = false;
        const post = () =>
          new Promise<void>((resolve, reject) => {
            const headers = { "content-type": "application/json", "content-length": body.length };
            request({ host, port, path: "/", method: "POST", agent, headers }, (response) => {
              response.resume().on("end", () => {
                keys++;
                resolve();
              });
            })
              .on("error", reject)
              .end(body);
          });
        const loop = async () => {
          while (!over) await post();
        };
        const loops = Array.from({ length: connections }, loop);
        await sleep(200);
        const before = keys;
        const used = cpuMeter();
        const begun = performance.now();
        await sleep(seconds * 1_000);
        const value = (keys - before) / ((performance.now() - begun) / 1_000);
        const cores = used();
        over = true;
        await Promise.all(loops);
        agent.destroy();
        return { value, cores };
      },
      ["https"],
    );
}

export const kq1ModeBenchmarks: readonly Benchmark[] = [
  {
    name: "kq1 https 256 B",
    about: "Key supply over HTTPS on 8 connections; baseline: POSTs of Node.js's own client",
    unit: "keys/s",
    each: "key",
    subject: https(256, 8),
    baseline: barePosts(256, 8),
  },
  {
    name: "kq1 request 32 B",
    about:
      "keys of 32 bytes upon request, 64 in each answer; baseline: the same answers, made once, over a bare TLS socket",
    unit: "keys/s",
    each: "key",
    subject: uponRequest(32, 64),
    baseline: bareAnswers(32, 64),
  },
];
