/** Records of a key manager: what links and intake tell goes in; what became of which key comes out. */
import type { Clock } from "../../base/clock.ts";
import { describe, type Fault } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { diskFiles } from "../../host/disk/files.ts";
import type { KmTable, LinkConfig, ModuleConfig, RecordsTable } from "../config/tables.ts";
import type { Opened } from "../io/engine/open.ts";
import { openRecordLog, type Position, type RecordLog } from "../io/records-file.ts";
import { type AskedPeriod, type Period, periodAt, type Run } from "../keys/origin.ts";
import type { KmLink } from "../link/link.ts";
import type { LinkEvent } from "../peer/events.ts";
import { ListSearch } from "../records/list.ts";
import { allOf, type LinkOfRecords, Notes } from "../records/notes.ts";
import type { LifeRecord } from "../records/record.ts";
import { receivedStep, StorySearch } from "../records/story.ts";
import type { Affected, GivenUp, KeyList, KeyStory } from "../records/tellings.ts";
import type { RelayTold } from "../relay/ports.ts";
import { type Attached, Compromise, type CompromiseParts } from "./compromise.ts";
import type { LeftOver } from "./left-over.ts";

/** The tables that say what is recorded, and how much. */
export interface RecordTables {
  readonly km: KmTable;
  readonly records: RecordsTable;
  readonly modules: readonly ModuleConfig[];
  readonly links: readonly LinkConfig[];
}

export class KmRecords {
  /** Called when records were written. */
  onWritten: () => void = () => {};
  /** Called when keys were given up on an order. */
  onGivenUp: (link: string, by: string, done: GivenUp) => void = () => {};
  readonly #log: RecordLog;
  readonly #notes: Notes;
  readonly #clock: Clock;
  readonly #config: RecordTables;
  readonly #links = new Map<string, LinkOfRecords>();
  readonly #attached = new Map<string, Attached>();
  #leftOver: LeftOver | undefined;
  #relays: ReturnType<CompromiseParts["relays"]>;
  readonly #compromise: Compromise;

  /** @throws Fault `km_store.io` */
  static async open(config: RecordTables, clock: Clock, log: Log): Promise<KmRecords> {
    const file = await openRecordLog({
      files: diskFiles,
      folder: `${config.km.state_dir}/records`,
      limitBytes: config.records.limit_mb * 1_000_000,
      clock,
      onFailure: (fault: Fault) =>
        log.error("records cannot be written: keys go on, records are missing", {
          why: describe(fault),
        }),
    });
    return new KmRecords(config, clock, file);
  }

  private constructor(config: RecordTables, clock: Clock, log: RecordLog) {
    this.#config = config;
    this.#clock = clock;
    this.#log = log;
    this.#compromise = new Compromise({
      clock,
      links: this.#attached,
      leftOver: () => this.#leftOver,
      relays: () => this.#relays,
      flush: () => this.#flush(),
      scan: (visit) => log.scan(visit),
      record: (...order) => this.#order(...order),
    });
    log.onWritten = () => this.onWritten();
    const modules = new Map(
      config.modules.map(
        ({ name, module_id, matching_module_id }) =>
          [name, [module_id, matching_module_id] as const] as const,
      ),
    );
    this.#notes = new Notes(modules, (record) => log.append(record));
    for (const { name, peer } of config.links) {
      const { id } = config.km;
      const leads = Buffer.compare(Buffer.from(id), Buffer.from(peer)) < 0;
      this.#links.set(name, { name, kms: [id, peer], leads });
    }
  }

  /** The store is open: what it keeps for a full disk is for records, too. */
  useRoom(room: Opened["room"]): void {
    this.#log.withRoom = (bytes, write) => room.useSome(bytes, write);
  }

  /** A link is there: searches ask it for what records do not tell. */
  attach({ name }: LinkConfig, core: KmLink): void {
    const link = this.#links.get(name);
    if (link !== undefined) this.#attached.set(name, { ...link, core });
  }

  /** What waits of modules that are not configured: searches and orders reach it, too. */
  attachLeftOver(leftOver: LeftOver): void {
    this.#leftOver = leftOver;
  }

  /** Keys that are just being relayed: orders reach them, too. */
  attachRelays(relays: NonNullable<ReturnType<CompromiseParts["relays"]>>): void {
    this.#relays = relays;
  }

  leftOverDropped(reason: string, ids: Buffer, runs: readonly Run[]): void {
    this.#notes.leftOverDropped({ reason, ids, runs }, this.#clock.wall());
  }

  tell(link: string, event: LinkEvent): void {
    const of = this.#links.get(link);
    if (of !== undefined) this.#notes.note(of, event, this.#clock.wall());
  }

  /** A relay, of which this KM was a part, ended. */
  relayed(relay: RelayTold): void {
    this.#notes.relayed(relay, this.#clock.wall());
  }

  /** Another content came under the ID of a QKD-key. */
  conflict(name: string, id: Uint8Array): void {
    const module = this.#config.modules.find((one) => one.name === name);
    const facts = {
      ...(module && { link: module.link }),
      modules: [[module?.module_id ?? name, module?.matching_module_id ?? ""]] as const,
    };
    const at = this.#clock.wall();
    this.#notes.write({ kind: "conflict", at, ids: Buffer.from(id), ranges: [], facts });
  }

  async #flush(): Promise<void> {
    this.#notes.flush();
    await this.#log.flush();
  }

  /** Also where records cannot be written: those that are there can be read. */
  async #settle(): Promise<void> {
    await this.#flush().catch(() => {});
  }

  /** What became of a QKD-key, a KMA-key or a KSA-key. @param id 16 bytes */
  async story(id: Buffer): Promise<KeyStory> {
    await this.#settle();
    const search = new StorySearch(id, [...this.#links.values()]);
    await this.#log.scan((view) => search.find(view));
    search.found();
    await this.#log.scan((view) => search.follow(view));
    return search.result(this.#waits(id));
  }

  #waits(id: Buffer) {
    const linked = Array.from(this.#attached.values(), ({ name, core }) => {
      return [name, core.buffer] as const;
    });
    for (const [link, buffer] of [...linked, [undefined, this.#leftOver?.buffer] as const]) {
      const origin = buffer?.get(id)?.origin;
      if (origin === undefined) continue;
      const { module_id = origin.module, matching_module_id = "" } =
        this.#config.modules.find((module) => module.name === origin.module) ?? {};
      const modules = [module_id, matching_module_id] as const;
      return { link, received: receivedStep({ origin, modules }) };
    }
    return undefined;
  }

  /**
   * QKD-keys of a module that came in a period.
   * @param module its name or ID; or the name of one that is not configured, and of which keys wait
   * @returns undefined: no such module
   */
  async list(module: string, asked: AskedPeriod): Promise<KeyList | undefined> {
    const found = this.#config.modules.find((one) => [one.name, one.module_id].includes(module));
    const buffer = found ? this.#attached.get(found.link)?.core.buffer : this.#leftOver?.buffer;
    const { name, module_id } = found ?? { name: module, module_id: module };
    await this.#settle();
    const search = new ListSearch(module_id, periodAt(asked, this.#clock.wall()));
    await this.#log.scan((view) => search.find(view));
    for (const { id, origin } of buffer?.all() ?? []) {
      if (origin.module === name) search.waits(id, origin);
    }
    const list = search.result();
    return found === undefined && list.keys.length === 0 ? undefined : list;
  }

  /** Keys that could be known to others if a link was not safe. @returns undefined: no such link */
  async affected(name: string, asked: AskedPeriod): Promise<Affected | undefined> {
    const link = this.#attached.get(name);
    if (link === undefined) return undefined;
    await this.#settle();
    return this.#compromise.affected(link, asked);
  }

  /** Gives these keys up at both ends: see {@link Compromise.giveUp}. @returns undefined: no such link */
  async giveUp(name: string, asked: AskedPeriod, by: string): Promise<GivenUp | undefined> {
    const link = this.#attached.get(name);
    if (link === undefined) return undefined;
    const done = await this.#compromise.giveUp(link, asked, by);
    this.onGivenUp(name, by, done);
    return done;
  }

  async #order(
    link: string,
    { from, to }: Period,
    by: string,
    numbers: readonly number[],
  ): Promise<void> {
    const record: LifeRecord = {
      kind: "order",
      at: this.#clock.wall(),
      ids: Buffer.alloc(0),
      ranges: numbers.map(allOf),
      facts: { link, from, to, by },
    };
    this.#notes.write(record);
    await this.#flush();
  }

  /**
   * The store gets another master key. @param by who ordered it
   * @throws Fault `km_store.io` if that cannot be recorded
   */
  async rekey(state: string, from: string, by?: string): Promise<void> {
    const facts = { state, reason: from, ...(by !== undefined && { by }) };
    const at = this.#clock.wall();
    this.#notes.write({ kind: "rekey", at, ids: Buffer.alloc(0), ranges: [], facts });
    await this.#flush();
  }

  /** Records behind a position, for who passes them on: see {@link RecordLog.since}. */
  since(after: Position | undefined, mostBytes?: number): ReturnType<RecordLog["since"]> {
    return this.#log.since(after, mostBytes);
  }

  /** Writes what is left. Never rejects. */
  async close(): Promise<void> {
    this.#notes.flush();
    await this.#log.close();
  }
}
