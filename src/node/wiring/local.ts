/** The local sockets, wired together. A node without them goes on with its keys, and says why. */
import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { describe } from "../../base/errors.ts";
import { controlSocket, maintenanceSocket } from "../../ops/local/paths.ts";
import { type LocalRequest, protocolVersion, type ReadName } from "../../ops/local/protocol.ts";
import { LocalServer } from "../../ops/local/server.ts";
import type { Config } from "../config/load.ts";
import { LocalApi, type LocalDeskParts } from "../local/api.ts";
import type { LocalModule } from "../model/local.ts";
import type { Monitoring, MorePorts, WatchedModule } from "./monitoring.ts";

export interface LocalOptions
  extends Pick<
    LocalDeskParts,
    | "config"
    | "boot"
    | "ledgers"
    | "logs"
    | "updates"
    | "site"
    | "panel"
    | "kmsTold"
    | "keyExchanges"
    | "clock"
    | "log"
  > {
  readonly modules: readonly (WatchedModule & LocalModule)[];
  readonly monitoring: Monitoring;
  /** Ports of commands into other parts of the node. */
  readonly more: MorePorts;
  /** Reads the configuration's file again. @throws ConfigError */
  readonly load: () => Config;
}

export interface Local {
  /** Opens the sockets; that they cannot be opened is logged. Never rejects. */
  listen(): Promise<void>;
  /** Writes a support bundle. @returns where it is @throws Fault `state.io` */
  bundle(): Promise<{ readonly file: string }>;
  /** Never rejects. */
  close(): Promise<void>;
}

export function createLocal({ modules, monitoring, more, load, ...parts }: LocalOptions): Local {
  const { config, clock } = parts;
  const log = parts.log.child("local");
  const desk = new LocalApi({
    ...parts,
    log,
    modules,
    alarms: monitoring.watch,
    history: monitoring.history,
    recorder: monitoring.recorder,
    broker: () => monitoring.broker,
    control: monitoring.control(modules, more),
    onEvent: (event) => monitoring.event(event),
  });
  const bundle = async () => {
    const ask = async (name: ReadName, args: LocalRequest["args"] = {}) => {
      const request = { v: protocolVersion, do: name, args };
      const caller = {
        role: "look",
        peer: async () => undefined,
        receive: async () => {},
      } as const;
      const answer = await desk.answer(request, caller);
      return "data" in answer ? answer.data : undefined;
    };
    // Seldom wanted, and much of the doctor with it.
    const { bundleOfSelf } = await import("../bundle/self.ts");
    return { file: await bundleOfSelf(config, { ask, load, read: () => config, clock }) };
  };
  const { socket, act, read } = config.local;
  const path = controlSocket(socket, config.node.state_dir, process.env.RUNTIME_DIRECTORY);
  const answer: LocalApi["answer"] = (request, caller) => desk.answer(request, caller);
  const standard = existsSync(dirname(maintenanceSocket)) ? maintenanceSocket : undefined;
  const maintenance = config.local.maintenance ?? standard;
  const server = new LocalServer({ path, act, read, maintenance, answer, clock, log });
  return {
    listen: () => server.listen().catch((error) => log.error(describe(error))),
    bundle,
    close: () => server.close(),
  };
}
