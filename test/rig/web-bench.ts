/** A node for the page to show, with real alarms, events and history, on a clock that the test moves. */

import { request as httpRequest, type IncomingHttpHeaders } from "node:http";
import { request as httpsRequest } from "node:https";
import type { Clock } from "../../src/base/clock.ts";
import { ms } from "../../src/base/duration.ts";
import { silentLog } from "../../src/base/log.ts";
import { AlarmBook } from "../../src/node/alarms/book.ts";
import { type Verdict, verdictKinds } from "../../src/node/alarms/verdict.ts";
import { Recorder } from "../../src/node/history/recorder.ts";
import { transition } from "../../src/node/manager/payloads.ts";
import type { KmView, ModuleState } from "../../src/node/model/manager.ts";
import { pageContent } from "../../src/node/page/content.ts";
import { nodePage } from "../../src/node/page/program.ts";
import type { NodeView } from "../../src/node/page/view.ts";
import { TelemetryWindow } from "../../src/node/telemetry/window.ts";
import type { Transition } from "../../src/ops/alarms/alarm.ts";
import { EventHistory } from "../../src/ops/events/event-history.ts";
import { LogRing } from "../../src/ops/local/log-ring.ts";
import { loadAssets } from "../../src/ops/page/assets.ts";
import { type WebOptions, type WebParts, WebServer } from "../../src/ops/page/server.ts";
import type { TelemetrySample } from "../../src/port/telemetry.ts";
import { ManualClock } from "../clock.ts";
import { createAuthority } from "../emulator/certificates.ts";

export interface ShownNode extends NodeView {
  readonly book: AlarmBook;
  readonly logs: LogRing;
  state: ModuleState;
  health: Verdict;
  kept: Record<string, number>;
  kmState: KmView["condition"];
  supply: Record<string, number | Record<string, number>>;
  report(sample: TelemetrySample): void;
}

export function shownNode(clock: Clock): ShownNode {
  const history = new EventHistory();
  const recorder = new Recorder(["alice"], clock);
  const window = new TelemetryWindow(10_000);
  const book = new AlarmBook({
    flap: { count: 5, window: ms(600_000), quiet: ms(300_000) },
    onTransition: ({ change, record }: Transition) => history.add(transition(change, record)),
  });
  const begun = clock.now();
  const node: ShownNode = {
    id: "node-a",
    version: "1.2.3",
    development: false,
    boot: 7,
    configuration: "0123456789abcdef",
    started: clock.wall(),
    uptime: () => clock.now() - begun,
    modules: [
      {
        name: "alice",
        describe: () => ({
          name: "alice",
          driver: "qmlp",
          where: "/dev/ttyX",
          km: "main",
          module_id: 'QKD "A"\\1',
          firmware: "1.0\n2",
        }),
        state: () => node.state,
        health: () => node.health,
        takeTelemetryWindow: () => window.take(clock.now()),
        peekTelemetryWindow: () => window.peek(clock.now()),
        supply: () => node.supply,
        keptCounts: () => node.kept,
        stateAge: () => clock.now() - begun,
        kms: () => [{ name: "main", condition: node.kmState, trouble: "" }],
      },
    ],
    facts: [
      {
        name: "alice",
        mode: "proactive",
        qberLimit: 0.11,
        kms: [{ name: "main", address: "km:9443", transport: "tls" }],
      },
    ],
    alarms: { records: () => book.records(), record: (id) => book.record(id), forget: () => {} },
    history,
    recorder,
    logs: new LogRing(),
    broker: () => ({ url: "mqtts://broker", up: true }),
    panel: () => ({
      panel: "none",
      tamper: "none",
      maintenance: false,
      zeroize: "none",
      halted: false,
      lamps: { supply: "green", alarm: "off" },
    }),
    book,
    state: { module: "OPERATING", link: "ACTIVE", km: "UP", reason: "", since: clock.wall() },
    health: { ...verdictKinds.good, code: "good", text: "Keys flow", since: clock.wall() },
    kept: {},
    kmState: "UP",
    supply: { supplied: 12, confirmed: 10, bits: 2_560, in_flight: 2, refused: { busy: 3 } },
    report(sample) {
      window.add(sample, clock.now());
      recorder.telemetry("alice", sample);
    },
  };
  recorder.start(node.modules);
  return node;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface Asked {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** From this address of the loopback network. */
  readonly from?: string;
}

/** One request with exactly this target, which no client would tidy up. */
export function ask(base: string, target: string, options: Asked = {}): Promise<Answer> {
  const { hostname, port, protocol } = new URL(base);
  const { method = "GET", headers = {}, body, from } = options;
  const make = protocol === "https:" ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    const request = make(
      {
        host: hostname,
        port,
        path: target,
        method,
        headers,
        agent: false,
        rejectUnauthorized: false,
        ...(from !== undefined && { localAddress: from }),
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("end", () => {
          const { statusCode: status = 0, headers } = response;
          resolve({ status, headers, body: Buffer.concat(chunks) });
        });
        response.on("error", reject);
      },
    );
    request.on("error", reject);
    request.end(body);
  });
}

/** Of the pages that want one. */
export const password = "a password for a test";

export interface Bench {
  readonly url: string;
  readonly clock: ManualClock;
  readonly node: ReturnType<typeof shownNode>;
  readonly server: WebServer;
}

/** A page without a login, on loopback. */
export async function serving(
  body: (bench: Bench) => Promise<void>,
  options: Partial<WebOptions> = {},
  parts: Partial<WebParts> = {},
): Promise<void> {
  const clock = new ManualClock();
  const node = shownNode(clock);
  const server = new WebServer(
    { host: "127.0.0.1", port: 0, names: ["node-a.example"], secure: undefined, ...options },
    { content: pageContent(node, clock), clock, log: silentLog, ...parts },
  );
  const url = await server.listen();
  try {
    await body({ url, clock, node, server });
  } finally {
    await server.close();
  }
}

/** A page with TLS and a login. */
export async function secure(
  body: (bench: Bench) => Promise<void>,
  parts: Partial<WebParts> = {},
  more: { readonly metricsToken?: () => string } = {},
  options: Partial<WebOptions> = {},
): Promise<void> {
  const authority = await createAuthority("page CA");
  const identity = await authority.issue({ commonName: "n", dns: ["n"], usage: "server" });
  const login = { ...identity, password: () => password, ...more };
  await serving(body, { ...options, secure: login }, parts);
}

/** Files of the page, but for the login. */
export const assets = [...loadAssets(nodePage).keys()].filter((path) => path !== "/login");
export const queries = [
  "/api/history?module=alice&window=15m",
  "/api/history.csv?module=alice&window=15m",
  "/api/events",
  "/api/log?search=",
  "/api/state",
  "/metrics",
];
export const strays = [
  "/login",
  "/logout",
  "/index.html",
  "/page",
  "/page/",
  "/main.js/",
  "/../package.json",
  "/..%2f..%2fpackage.json",
  "/%2e%2e/%2e%2e/src/node/main.ts",
  "/....//....//etc/passwd",
  "/page.css%00.html",
  "//evil.example/",
  "/api",
  "/api/keys",
  "/api/log/",
  "/api/history.csv/x",
  "/api/stream/",
  "http://evil.example/",
  "*",
  "/%",
  "/__proto__",
  "/constructor",
];

export function login(url: string, text: string, more: Record<string, string> = {}, from?: string) {
  const { host, origin } = new URL(url);
  return ask(url, "/login", {
    method: "POST",
    headers: { host, origin, "content-type": "application/x-www-form-urlencoded", ...more },
    body: `password=${encodeURIComponent(text)}`,
    ...(from !== undefined && { from }),
  });
}
