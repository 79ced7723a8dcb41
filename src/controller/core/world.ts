/** What the core wants of what is around it. No method may call back into the core before it returns. */

import type { CkCommand, CkMessage } from "../../wire/ck/messages.ts";
import type { IssuedRecord, ListRecord } from "../access/issuing.ts";
import type { Registered } from "../access/repository.ts";
import type { Account } from "../accounting/accounts.ts";
import type { ChangeStatus, Service } from "../model/status.ts";

export interface ControllerWorld {
  /** Monotonic, ms. */
  now(): number;
  /** ms since 1970 UTC */
  wall(): number;
  random(bytes: number): Buffer;
  /**
   * Asks an attached KM.
   * @param withinMs for its answer
   * @param done once, later: its answer; undefined: away, refused by the session, or late
   */
  ask(
    km: string,
    command: CkCommand,
    withinMs: number,
    done: (answer: CkMessage | undefined) => void,
  ): void;
  /** People are told, and it is kept. */
  told(change: ChangeStatus): void;
  /**
   * What must survive a restart: given back at the start as {@link Saved}. Latest wins for each table and ID.
   * @param value JSON; undefined: there is no such record any more; of accounts, the start of a period as the ID is all
   *   records of that period
   */
  save<T extends SavedTable>(table: T, id: string, value: SavedRecords[T] | undefined): void;
}

/** What a session is known by after a restart; times in ms since 1970 UTC. */
export interface SavedSession {
  readonly source: string;
  readonly destination: string;
  readonly sourceKm: string;
  readonly destinationKm: string;
  readonly since: number;
  readonly until: number;
  readonly number?: number;
  /** When the source's KM began, as that said; absent: it did not. */
  readonly began?: number;
}

/** Whether a component is in service, as an operator set it. */
export interface SavedService {
  readonly service: Service;
  readonly by: string;
  readonly at: number;
}

/** Routes that an operator set for a pair; its ID is `KM1--KM2`. */
export interface SavedRoutes {
  readonly routes: readonly (readonly string[])[];
  readonly by: string;
  readonly at: number;
}

/** How much of one thing was used in one period (IMDA RS QKDN §8.1.3). */
export type AccountRecord = Account;

export interface SavedRecords {
  readonly session: SavedSession;
  readonly service: SavedService;
  /** A component that was registered or taken back at run time; ID: `km:ID` or `application:ID`. */
  readonly access: Registered;
  /** A certificate that was issued to a component; ID: its serial number. */
  readonly certificate: IssuedRecord;
  readonly list: ListRecord;
  readonly routes: SavedRoutes;
  /** ID: `FROM KIND OBJECT`, with the start of the period in ms. Given back are those of the newest periods. */
  readonly account: AccountRecord;
}
export type SavedTable = keyof SavedRecords;

/** All that was saved, by table and ID. */
export type Saved = {
  readonly [T in SavedTable]: ReadonlyMap<string, SavedRecords[T]>;
} & {
  /** How many accounts there are of each period, by its start; absent: what is in `account` is all. */
  readonly accountPeriods?: ReadonlyMap<number, number>;
};

/** Nothing was saved yet. */
export function nothingSaved(): Saved {
  const none = new Map<string, never>();
  return {
    session: none,
    service: none,
    access: none,
    certificate: none,
    list: none,
    routes: none,
    account: none,
  };
}

/** What a node controller tells on the manager's topics. */
export interface HeardNode {
  /** ID of the node controller. */
  readonly node: string;
  readonly online: boolean;
  /** When it was heard last: ms since 1970 UTC, for stamps; and monotonic, ms. */
  readonly at: number;
  readonly heardAt: number;
  /** All that are raised now. */
  readonly alarms: readonly HeardAlarm[];
  /** It is no node any more. */
  readonly isGone?: true;
  /** There are too many: what it tells is not kept. */
  readonly isLeftOut?: true;
}

export interface HeardAlarm {
  readonly name: string;
  readonly severity: "critical" | "major" | "minor" | "warning" | "indeterminate";
  /** ms since 1970 UTC */
  readonly since: number;
  /** Module that it is of; absent: the node itself. */
  readonly module?: string;
}

/** Answers a command, once. */
export type Reply = (answer: CkMessage, further?: Further) => void;

/** For an answer that is answered itself: a Key relay request upon a notification. */
export interface Further {
  /** For that answer, ms. */
  readonly withinMs: number;
  /** @param answer undefined: none came */
  readonly done: (answer: CkMessage | undefined) => void;
}
