/** Key managers of a network as processes, and a controller of a test that they are connected to. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import type { ExecutionContext } from "ava";
import { systemClock } from "../../src/base/clock.ts";
import type { CkCommand, CkMessage, CkMessageOf } from "../../src/wire/ck/messages.ts";
import { type LinkReport, linksIn } from "../../src/wire/ck/report.ts";
import type { CkAsked, CkSession } from "../../src/wire/ck/session.ts";
import { type StateReport, stateIn } from "../../src/wire/ck/state.ts";
import type { MessageType } from "../../src/wire/ck/table.ts";
import { createAuthority } from "../emulator/certificates.ts";
import { eventually } from "../eventually.ts";
import { patience } from "../patience.ts";
import { TestController } from "./ck-bench.ts";
import { KmNet, type KmNetOptions } from "./km-net.ts";

export interface CkNet {
  readonly net: KmNet;
  readonly controller: TestController;
  /** A second one, which stands by; KMs know it if `standby` says so. */
  readonly second: TestController;
  readonly port: number;
  /** The connection of a KM, once it is there. */
  session(km: string): Promise<CkSession>;
  /** The next command of a type that came from any KM. */
  asked<T extends CkCommand["type"]>(type: T): Promise<CkAsked & { message: CkMessageOf<T> }>;
  /** What a KM told last of its link to another. */
  link(km: string, peer: string): LinkReport | undefined;
  state(km: string): StateReport;
}

export interface CkNetOptions extends Omit<KmNetOptions, "authority"> {
  /** The binding that each KM has; others know no controller. */
  readonly bindings: Readonly<Record<string, "tcp" | "grpc">>;
  /** KMs know the second controller, too. */
  readonly standby?: boolean;
}

async function ckNet(options: CkNetOptions): Promise<CkNet> {
  const authority = await createAuthority("QKDN CA");
  const name = "controller.example";
  const identity = await authority.issue({ commonName: name, dns: [name], usage: "both" });
  const controller = new TestController({ ...identity, ca: authority.cert }, systemClock);
  const port = await controller.listener.listen();
  const second = new TestController({ ...identity, ca: authority.cert }, systemClock);
  second.standby = true;
  const secondPort = await second.listener.listen();
  const { more = () => "", bindings, standby = false } = options;
  const table = (km: string) => {
    const binding = bindings[km];
    if (binding === undefined) return "";
    const of = (one: string, at: number) =>
      `[controller.${one}]\nhost = "127.0.0.1"\nport = ${at}\nbinding = "${binding}"\nserver_name = "${name}"\n`;
    // The one that stands by is the first of the configuration.
    return `${standby ? of("two", secondPort) : ""}${of("one", port)}`;
  };
  const net = await KmNet.make({
    ...options,
    authority,
    more: (km) => `${more(km)}\n${table(km)}`,
  });
  const reportsOf = (km: string) =>
    controller.reports.filter((one) => (one as CkMessageOf<"report">).sourceKm === `km-${km}`);
  return {
    net,
    controller,
    second,
    port,
    session: (km) =>
      eventually(`km-${km} is connected`, () => controller.kms.of(`km-${km}`), {
        when: (session) => session !== undefined,
      }) as Promise<CkSession>,
    asked: async (type: MessageType) => {
      const found = await eventually(`a KM asks ${type}`, () => {
        const place = controller.asked.findIndex(({ message }) => message.type === type);
        return place < 0 ? undefined : controller.asked.splice(place, 1)[0];
      });
      return found as never;
    },
    link: (km, peer) =>
      reportsOf(km)
        .flatMap((report) => linksIn(report as CkMessage))
        .findLast((one) => one.peer === `km-${peer}`),
    state: (km) => {
      const all = reportsOf(km).map((report) => stateIn(report as CkMessage));
      return {
        ...all.findLast(({ km: own }) => own !== undefined),
        pairs: all.flatMap(({ pairs }) => pairs),
        applications: all.flatMap(({ applications }) => applications),
        usage: all.flatMap(({ usage }) => usage),
        sessions: all.flatMap(({ sessions }) => sessions),
      };
    },
  };
}

/** The same, running; all of it is closed when the test is over. */
export async function startCkNet(
  t: ExecutionContext,
  options: Omit<CkNetOptions, "folder">,
): Promise<CkNet> {
  const folder = await mkdtemp(`${tmpdir()}/qkd-ck-`);
  t.teardown(() => rm(folder, { recursive: true }));
  const made = await ckNet({ folder, ...options });
  t.teardown(() => made.controller.close());
  t.teardown(() => made.second.close());
  t.teardown(() => made.net.stop());
  await made.net.start(patience(30_000));
  return made;
}
