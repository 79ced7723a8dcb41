/** The local sockets of a daemon whose answers are one function, and where its clients look for them. */
import { existsSync } from "node:fs";
import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import { controlSocket } from "./paths.ts";
import { type LocalRequest, protocolVersion, type ReadName } from "./protocol.ts";
import { type Caller, type LocalAnswer, LocalServer, type LocalServerOptions } from "./server.ts";

/** Asks as at a socket, and as any user of the machine. */
export type Ask = (name: ReadName, args?: LocalRequest["args"]) => Promise<unknown>;

export interface DaemonLocal {
  readonly server: LocalServer;
  readonly ask: Ask;
}

export interface DaemonLocalOptions extends Pick<LocalServerOptions, "act" | "read"> {
  /** As configured. */
  readonly socket: string | undefined;
  readonly stateDir: string;
  /** @throws LocalError */
  readonly answer: (request: LocalRequest, caller: Caller) => Promise<LocalAnswer>;
  readonly clock: Clock;
  readonly log: Log;
}

export function daemonLocal({ socket, stateDir, ...options }: DaemonLocalOptions): DaemonLocal {
  const path = controlSocket(socket, stateDir, process.env.RUNTIME_DIRECTORY);
  const ask: Ask = async (name, args = {}) => {
    const caller = { role: "look", peer: async () => undefined, receive: async () => {} } as const;
    const answer = await options.answer({ v: protocolVersion, do: name, args }, caller);
    return "data" in answer ? answer.data : undefined;
  };
  return { server: new LocalServer({ path, ...options }), ask };
}

/**
 * Where a client looks for the control socket, the likeliest place first.
 * @param standard where systemd has the daemon make it
 */
export function socketsOf(
  socket: string | undefined,
  stateDir: string,
  standard: string,
): readonly string[] {
  const own = controlSocket(socket, stateDir);
  return socket === undefined && existsSync(standard) ? [own, standard] : [own];
}
