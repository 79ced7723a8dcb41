/** Key supply of nodes (Kq-1): who may supply what, over which servers. */
import { randomBytes, randomUUID } from "node:crypto";
import type { Clock } from "../../base/clock.ts";
import type { Fault } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { LogLimit } from "../../base/log-limit.ts";
import { diskFiles } from "../../host/disk/files.ts";
import { filesOf, KeptCredentials } from "../../host/tls/credentials.ts";
import { IdMemory } from "../acquisition/id-memory.ts";
import { Intake } from "../acquisition/intake.ts";
import type { IntakeModule } from "../acquisition/line.ts";
import type { IntakeEvents } from "../acquisition/module-intake.ts";
import { Wishes } from "../acquisition/wishes.ts";
import type { KmTable, Kq1Table, ModuleConfig } from "../config/tables.ts";
import type { Engine } from "../io/engine/engine.ts";
import { HttpsRequests } from "../io/https-requests.ts";
import { HttpsSupplyServer } from "../io/https-supply-server.ts";
import { digestsOfOthers, idFileName, type OpenIdFile, openIdFile } from "../io/id-memory-file.ts";
import { Kq1Server } from "../io/kq1-server.ts";
import { Kq2Lines } from "../io/kq2-line.ts";
import { TcpRequests } from "../io/tcp-requests.ts";
import type { ServerTexts } from "../io/tls-door.ts";
import { Turn } from "../io/turn.ts";
import { IdMask } from "../keys/masked-ids.ts";
import { ModulesTold } from "../nodes/told.ts";
import type { KeyStore } from "../store/port.ts";

/** QKD-key IDs that are remembered of each module: as many as its node may have unconfirmed. */
const rememberedIds = 2 ** 20;

/** The tables that say who supplies keys, and how. */
export interface SupplyTables {
  readonly km: KmTable;
  readonly kq1?: Kq1Table | undefined;
  readonly modules: readonly ModuleConfig[];
}

export interface IntakeParts {
  readonly config: SupplyTables;
  readonly store: KeyStore & Pick<Engine, "withRoom">;
  /** Key of the digests of IDs, 16 bytes. */
  readonly idKey: Buffer;
  readonly events: IntakeEvents;
  readonly clock: Clock;
  readonly log: Log;
  readonly onFailure: (fault: Fault) => void;
  /** A node tells other things of a module than before. */
  readonly onNews?: () => void;
  /** Bytes that there are of a module's keys, wherever they are. */
  readonly stockOf: (module: string) => number;
}

/** Waits after an answer without keys: from the first to the last, ms. */
const firstWaitMs = 200;
const lastWaitMs = 10_000;

export class Supplies {
  readonly intake: Intake;
  /** What nodes tell of their modules. */
  readonly told: ModulesTold;
  readonly #kq2: Kq2Lines;
  readonly #files: readonly OpenIdFile[];
  readonly #servers: (Kq1Server | HttpsSupplyServer)[] = [];
  readonly #asking: { close(): void }[] = [];
  readonly #parts: IntakeParts;
  /** Undefined: there are none. */
  readonly #credentials: KeptCredentials | undefined;
  #texts: ServerTexts | undefined;

  /** Opens what is remembered of each module. @throws Fault `km_store.io`, `km_store.corrupt` */
  static async open(parts: IntakeParts): Promise<Supplies> {
    const { config, store, idKey, onFailure } = parts;
    const mask = new IdMask(idKey);
    const folder = `${config.km.state_dir}/ids`;
    await diskFiles.makeFolder(folder);
    const files: OpenIdFile[] = [];
    const modules = [];
    const keyCheck = mask.check;
    const most = rememberedIds;
    const withRoom = <T>(write: () => Promise<T>) => store.withRoom(write);
    const common = { files: diskFiles, folder, keyCheck, most, onFailure, withRoom };
    // Of modules that had another ID before, and of files by name, as they were once: what was confirmed must not come
    // in again (rule S1).
    const own = new Set(config.modules.map(({ module_id }) => idFileName(module_id)));
    const before = await digestsOfOthers(common, own);
    for (const { name, module_id, matching_module_id, nodes } of config.modules) {
      const file = await openIdFile({ ...common, name: idFileName(module_id) });
      files.push(file);
      const memory = new IdMemory(file, rememberedIds);
      // What matters most comes last: there is room for so many.
      for (const [of, digests] of before) if (of !== name) memory.load(digests);
      const named = before.get(name);
      if (named !== undefined) memory.load(named);
      memory.load(file.digests);
      modules.push({
        name,
        moduleId: module_id,
        matchingModuleId: matching_module_id,
        nodes,
        memory,
      });
    }
    const told = modulesTold(modules, parts);
    const intake = new Intake({ ...parts, modules, mask, random: randomBytes });
    return new Supplies(parts, intake, told, files);
  }

  private constructor(
    parts: IntakeParts,
    intake: Intake,
    told: ModulesTold,
    files: readonly OpenIdFile[],
  ) {
    this.#parts = parts;
    const certified = filesOf(parts.config.kq1 ?? {});
    this.#credentials = certified && new KeptCredentials(certified, "config.file");
    this.told = told;
    this.#kq2 = new Kq2Lines({ told, clock: parts.clock, log: parts.log });
    this.intake = intake;
    this.#files = files;
  }

  /** Nodes may connect from now on. @throws Fault `kq1.connect`, `config.file` */
  async listen(): Promise<void> {
    const { config, clock, log } = this.#parts;
    const { kq1 } = config;
    if (kq1 === undefined) return;
    const { host, port, https_port, path, plain } = kq1;
    const tls = plain ? undefined : this.#read();
    const turn = new Turn(this.intake);
    const watcher = this.#ask(turn);
    const kq2 = this.#kq2;
    if (port !== undefined) {
      const server = new Kq1Server({ host, port, tls, turn, clock, log, watcher, kq2 });
      log.info("Kq-1 over TCP", { host, port: await server.listen(), tls: tls !== undefined });
      this.#servers.push(server);
    }
    if (https_port !== undefined && tls !== undefined) {
      const server = new HttpsSupplyServer({
        host,
        port: https_port,
        tls,
        path,
        turn,
        kq2,
        clock,
        log,
      });
      log.info("Kq-1 over HTTPS", { host, port: await server.listen() });
      this.#servers.push(server);
    }
  }

  /** Asks the nodes of modules in request mode: over their own connections, or at their key server. */
  #ask(turn: Turn): TcpRequests {
    const { config, store, clock, log, stockOf } = this.#parts;
    const overTcp = [];
    for (const { name, mode, request } of config.modules) {
      const module = this.intake.module(name)?.module;
      if (mode !== "on_request" || module === undefined) continue;
      const { size_bits, number, low_bits, high_bits, host, port, server_name } = request;
      const answerTimeout = request.answer_timeout_s;
      const wishes = new Wishes({
        size: size_bits,
        number,
        stock: () => stockOf(name),
        low: low_bits / 8,
        high: high_bits / 8,
        hasRoom: () => store.full() === undefined,
        firstWaitMs,
        lastWaitMs,
        answerTimeout,
        drawToken: () => randomUUID(),
        random: Math.random,
      });
      if (host === undefined || port === undefined) {
        overTcp.push({ module, wishes });
        continue;
      }
      // The same texts for as long as they are: connections are kept by them.
      const tls = () => this.#texts ?? this.#read();
      const serverName = server_name ?? host;
      this.#asking.push(
        new HttpsRequests({
          module,
          wishes,
          host,
          port,
          serverName,
          tls,
          turn,
          clock,
          answerTimeout,
          log,
        }),
      );
    }
    const requests = new TcpRequests({ modules: overTcp, turn, clock, log });
    this.#asking.push(requests);
    return requests;
  }

  /** New connections are shown what is in the files now; open ones are checked by it. @throws Fault */
  renew(): void {
    const { kq1 } = this.#parts.config;
    if (kq1 === undefined) return;
    const tls = this.#read();
    if (kq1.plain) return;
    // Each of them goes by new lists, also where certificate and key do not belong together yet.
    const faults: unknown[] = [];
    for (const server of this.#servers) {
      try {
        server.renew(tls);
      } catch (error) {
        faults.push(error);
      }
    }
    if (faults.length > 0) throw faults[0];
  }

  #read(): ServerTexts {
    this.#texts = this.#credentials?.read() ?? { ca: "", cert: "", key: "" };
    return this.#texts;
  }

  /** Cuts the connections whose certificate is not accepted any more. */
  recheck(): void {
    for (const server of this.#servers) server.recheck();
  }

  get connections(): number {
    return this.#servers.reduce(
      (sum, server) => sum + (server instanceof Kq1Server ? server.connections : 0),
      0,
    );
  }

  /** No key is taken any more. */
  async closeServers(): Promise<void> {
    for (const asking of this.#asking.splice(0)) asking.close();
    this.#kq2.close();
    await Promise.all(this.#servers.splice(0).map((server) => server.close()));
  }

  /** What is remembered is on the disk. */
  async close(): Promise<void> {
    await Promise.all(this.#files.map((file) => file.close()));
  }
}

/** A link that comes and goes is told in the log, in bounds. */
function modulesTold(
  modules: readonly IntakeModule[],
  { clock, log, onNews }: IntakeParts,
): ModulesTold {
  const limit = LogLimit.of(log, clock);
  return new ModulesTold({
    modules,
    now: () => clock.now(),
    ...(onNews && { onNews }),
    onLink: ({ module, link, before, reason }) => {
      const facts = { link, before, ...(reason !== "" && { reason }) };
      if (link === "ACTIVE") limit.info(module, "link of a module", facts);
      else limit.warn(module, "link of a module", facts);
    },
  });
}
