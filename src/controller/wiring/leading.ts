/**
 * The store that is configured, and with it who leads: with a file in the state folder there is one controller, with
 * PostgreSQL it is the one that has the lock.
 */
import type { Clock } from "../../base/clock.ts";
import { Fault } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { LogLimit } from "../../base/log-limit.ts";
import { readNamed } from "../../host/config/named-file.ts";
import { firstLine } from "../../host/config/password.ts";
import { clientTls } from "../../host/tls/options.ts";
import { PemError, readCertificates } from "../../host/tls/pem.ts";
import type { ControllerTable, DatabaseTable } from "../config/tables.ts";
import { nothingSaved, type Saved } from "../core/world.ts";
import { Leader, type LeaderHandlers } from "../io/store/leader.ts";
import { goodChanges, type StoredAccount } from "../io/store/port.ts";
import { SqliteEngine } from "../io/store/sqlite.ts";
import { Store } from "../io/store/store.ts";
import { Troubles } from "../io/store/troubles.ts";
import type { ChangeStatus, ControllerStatus } from "../model/status.ts";

export interface LeadingParts {
  /** Start of the period of accounts of now, ms since 1970 UTC. */
  readonly period: () => number;
  readonly clock: Clock;
  readonly log: Log;
  /** The store can't be written; undefined: it can again. */
  readonly onTrouble: (why: string | undefined) => void;
}

export interface Leading {
  readonly store: Store;
  /** Of before the start. */
  readonly saved: Saved;
  /** The newest first. */
  readonly past: readonly ChangeStatus[];
  readonly role: ControllerStatus["role"];
  /**
   * Told from now on when another leads, or this one: with what the leader before kept.
   * Where the store is of an earlier state, what it does not write again by itself is to be saved anew.
   */
  start(handlers: LeaderHandlers): void;
  /** The newest first. @throws Fault `db.*` */
  changes(count: number): Promise<ChangeStatus[]>;
  /** As far as they are kept; see `Engine.accounts`. @throws Fault `db.*` */
  accounts(after: string, count: number): Promise<readonly StoredAccount[]>;
  /** Writes what waits. Never rejects. */
  close(): Promise<void>;
}

export interface LeadingTables {
  readonly controller: ControllerTable;
  readonly database?: DatabaseTable | undefined;
}

/** Changes of before the start that are shown. */
const pastChanges = 200;

/** @throws Fault `db.*` if the file cannot be used; a database may come later */
export function openLeading(
  { controller, database }: LeadingTables,
  parts: LeadingParts,
): Promise<Leading> {
  return database === undefined
    ? alone(`${controller.state_dir}/controller.db`, parts)
    : together(database, parts);
}

async function alone(file: string, parts: LeadingParts): Promise<Leading> {
  const { clock, log, onTrouble } = parts;
  const engine = new SqliteEngine(file);
  const limit = LogLimit.of(log, clock);
  const store = new Store({ engine, clock, log, onTrouble });
  return {
    store,
    saved: await engine.load(parts.period()),
    past: goodChanges(await engine.changes(pastChanges), limit),
    role: "active",
    start: () => {},
    changes: async (count) => {
      await store.settled();
      return goodChanges(await engine.changes(count), limit);
    },
    accounts: async (after, count) => {
      await store.settled();
      return engine.accounts(after, count);
    },
    close: async () => {
      await store.close();
      await engine.close();
    },
  };
}

async function together(database: DatabaseTable, parts: LeadingParts): Promise<Leading> {
  const { clock, log, onTrouble } = parts;
  const { host, port, name, user, password_file: file, ca, server_name = host } = database;
  const open = async (onEnd: (why: string) => void) => {
    // Loaded only where it is configured.
    const { PostgresEngine } = await import("../io/store/postgres.ts");
    const read = (path: string) =>
      readNamed(path, "db.open", "file for the database cannot be read");
    const password = file && firstLine(read(file).toString());
    const tls = ca && clientTls({ ca: caIn(read(ca), ca) }, server_name, () => clock.wall());
    const options = { host, port, name, user, onEnd };
    return PostgresEngine.open({
      ...options,
      password: password || undefined,
      tls: tls || undefined,
    });
  };
  const troubles = new Troubles(onTrouble);
  const leader = new Leader({
    open,
    clock,
    log,
    onTrouble: (why) => troubles.tell("connection", why),
    period: parts.period,
  });
  const store = new Store({
    engine: leader,
    clock,
    log,
    // While another leads it is that one's to write.
    onTrouble: (why) => leader.leads && troubles.tell("writing", why),
  });
  return {
    store,
    saved: nothingSaved(),
    past: [],
    role: "standby",
    start: ({ onRole, onEarlier, onAccess }) =>
      leader.start({
        onAccess,
        onRole: (role, ...told) => {
          // What this one would still write is older than what the other kept.
          if (role === "standby") {
            store.drop();
            troubles.tell("writing", undefined);
          } else store.began(told[0]);
          onRole(role, ...told);
        },
        onEarlier: () => {
          store.writeAll();
          onEarlier();
        },
      }),
    changes: async (count) => {
      if (leader.leads) await store.settled();
      return leader.changes(count);
    },
    accounts: async (after, count) => {
      if (leader.leads) await store.settled();
      return leader.accounts(after, count);
    },
    close: async () => {
      await store.close();
      await leader.close();
    },
  };
}

/** What is none is told before the server is asked, which would be said to be at fault. @throws Fault `db.open` */
function caIn(bytes: Buffer, file: string): string {
  try {
    readCertificates(bytes);
  } catch (error) {
    if (!(error instanceof PemError)) throw error;
    throw new Fault("db.open", `the database's ca cannot be used: ${error.message}`, { file });
  }
  return bytes.toString();
}
