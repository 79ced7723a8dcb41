/** The key manager on this machine: what its local sockets answer. */
import { existsSync } from "node:fs";
import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import type { LogRing } from "../../ops/local/log-ring.ts";
import { controlSocket } from "../../ops/local/paths.ts";
import { LocalError } from "../../ops/local/protocol.ts";
import { type LocalAnswer, LocalServer } from "../../ops/local/server.ts";
import type { KmStatus } from "../model/status.ts";

export interface LocalParts {
  readonly status: () => KmStatus;
  readonly logs: LogRing;
  readonly clock: Clock;
  readonly log: Log;
}

interface LocalTable {
  readonly km: { readonly state_dir: string };
  readonly local: {
    readonly socket?: string | undefined;
    readonly act: "owner" | "group";
    readonly read: "owner" | "group" | "all";
  };
}

/** Where systemd has the key manager make its control socket. */
const standardKmSocket = "/run/qkd-km/control";

/** Where a client looks for the control socket, the likeliest place first. */
export function kmSockets({ km, local }: LocalTable): readonly string[] {
  const own = controlSocket(local.socket, km.state_dir);
  return local.socket === undefined && existsSync(standardKmSocket)
    ? [own, standardKmSocket]
    : [own];
}

export function createKmLocal(config: LocalTable, { status, clock, log }: LocalParts): LocalServer {
  const { act, read } = config.local;
  const answer = async (name: string): Promise<LocalAnswer> => {
    switch (name) {
      case "status":
        return { data: status() };
      case "alarms":
        return { data: status().alarms };
      case "links":
        return { data: status().links };
      case "keys":
        return { data: status().modules };
      default:
        throw new LocalError("not_available", "the key manager does not have this");
    }
  };
  return new LocalServer({
    path: controlSocket(config.local.socket, config.km.state_dir, process.env.RUNTIME_DIRECTORY),
    act,
    read,
    answer: ({ do: name }) => answer(name),
    clock,
    log,
  });
}
