/** The door of controllers that ask by RPCs of their own (Ck, Q.4164 Appendix II), where one is configured. */
import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import { KeptCredentials } from "../../host/tls/credentials.ts";
import type { CkTable } from "../config/tables.ts";
import type { CkIdentity } from "../io/ck-dial.ts";
import { CkDoor, type CkDoorOptions } from "../io/ck-door.ts";

export interface RpcDoorParts {
  readonly answer: CkDoorOptions["answer"];
  /** PEM of lists that controllers told. */
  readonly told: () => string | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

export interface RpcDoor {
  /** @throws Fault `config.file`, `ck.connect` */
  renew(): void;
  recheck(): void;
  close(): Promise<void>;
}

/** @returns undefined if none is configured @throws Fault `config.file`, `ck.connect` */
export async function openRpcDoor(
  table: CkTable | undefined,
  { answer, told, clock, log }: RpcDoorParts,
): Promise<RpcDoor | undefined> {
  if (table === undefined) return undefined;
  const { host, port, controllers } = table;
  const kept = new KeptCredentials(table, "config.file");
  const tls = (): CkIdentity => ({ ...kept.read(), told: told() });
  const door = new CkDoor({ host, port, tls: tls(), controllers, answer, clock, log });
  log.info("RPCs of controllers", { host, port: await door.listen() });
  return {
    renew: () => door.renew(tls()),
    recheck: () => door.recheck(),
    close: () => door.close(),
  };
}
