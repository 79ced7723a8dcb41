/** The local sockets, wired together. A node without them goes on with its keys, and says why. */
import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { describe } from "../../base/errors.ts";
import { controlSocket, maintenanceSocket } from "../../ops/local/paths.ts";
import { type LocalRequest, protocolVersion, type ReadName } from "../../ops/local/protocol.ts";
import { LocalServer } from "../../ops/local/server.ts";
import type { LocalConfig } from "../config/tables.ts";
import { LocalApi, type LocalDeskParts, type ShownTables } from "../local/api.ts";
import type { LocalModule } from "../model/local.ts";
import type { Monitoring, MorePorts, WatchedModule } from "./monitoring.ts";

/** Asks as at a socket, and as any user of the machine. */
export type Ask = (name: ReadName, args?: LocalRequest["args"]) => Promise<unknown>;

export interface LocalOptions
  extends Pick<
    LocalDeskParts,
    | "boot"
    | "ledgers"
    | "logs"
    | "updates"
    | "site"
    | "image"
    | "panel"
    | "kmsTold"
    | "keyExchanges"
    | "clock"
    | "log"
  > {
  readonly config: ShownTables & { readonly local: LocalConfig };
  readonly modules: readonly (WatchedModule & LocalModule)[];
  readonly monitoring: Monitoring;
  /** Ports of commands into other parts of the node. */
  readonly more: MorePorts;
  /** Writes a support bundle, for which it asks as at a socket. @returns where it is @throws Fault `state.io` */
  readonly writeBundle: (ask: Ask) => Promise<string>;
}

export interface Local {
  /** Opens the sockets; that they cannot be opened is logged. Never rejects. */
  listen(): Promise<void>;
  /** Writes a support bundle. @returns where it is @throws Fault `state.io` */
  bundle(): Promise<{ readonly file: string }>;
  /** Never rejects. */
  close(): Promise<void>;
}

export function createLocal(options: LocalOptions): Local {
  const { modules, monitoring, more, writeBundle, ...parts } = options;
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
  const ask: Ask = async (name, args = {}) => {
    const request = { v: protocolVersion, do: name, args };
    const caller = { role: "look", peer: async () => undefined, receive: async () => {} } as const;
    const answer = await desk.answer(request, caller);
    return "data" in answer ? answer.data : undefined;
  };
  const { socket, act, read } = config.local;
  const path = controlSocket(socket, config.node.state_dir, process.env.RUNTIME_DIRECTORY);
  const answer: LocalApi["answer"] = (request, caller) => desk.answer(request, caller);
  const standard = existsSync(dirname(maintenanceSocket)) ? maintenanceSocket : undefined;
  const maintenance = config.local.maintenance ?? standard;
  const server = new LocalServer({ path, act, read, maintenance, answer, clock, log });
  return {
    listen: () => server.listen().catch((error) => log.error(describe(error))),
    bundle: async () => ({ file: await writeBundle(ask) }),
    close: () => server.close(),
  };
}
