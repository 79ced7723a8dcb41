/** The local sockets, wired together. A node without them goes on with its keys, and says why. */

import type { Channel } from "../lifecycle/channel.ts";
import type { Oversight } from "../oversight.ts";
import { describe } from "../port/errors.ts";
import { LocalDesk, type LocalDeskParts } from "./desk.ts";
import { controlSocket } from "./paths.ts";
import { LocalServer } from "./server.ts";

export interface LocalOptions
  extends Pick<LocalDeskParts, "config" | "boot" | "ledgers" | "logs" | "clock" | "log"> {
  readonly modules: readonly Channel[];
  readonly oversight: Oversight;
}

/** Never rejects. */
export async function openLocal({
  modules,
  oversight,
  ...parts
}: LocalOptions): Promise<LocalServer> {
  const { config, clock } = parts;
  const log = parts.log.child("local");
  const desk = new LocalDesk({
    ...parts,
    log,
    modules,
    alarms: oversight.watch,
    history: oversight.history,
    broker: () => oversight.broker,
    control: oversight.control(modules),
    onEvent: (event) => oversight.event(event),
  });
  const { socket, act, read } = config.local;
  const path = controlSocket(socket, config.node.state_dir, process.env.RUNTIME_DIRECTORY);
  const answer: LocalDesk["answer"] = (request, caller) => desk.answer(request, caller);
  const server = new LocalServer({ path, act, read, answer, clock, log });
  await server.listen().catch((error) => log.error(describe(error)));
  return server;
}
