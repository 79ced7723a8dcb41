/** Key supply of nodes (Kq-1): who may supply what, over which servers. */
import { randomBytes } from "node:crypto";
import type { Clock } from "../../base/clock.ts";
import type { Fault } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { diskFiles } from "../../host/disk/files.ts";
import { IdMemory } from "../acquisition/id-memory.ts";
import { Intake } from "../acquisition/intake.ts";
import { IdMask } from "../acquisition/masked-ids.ts";
import type { IntakeEvents } from "../acquisition/module-intake.ts";
import type { KmConfig } from "../config/load.ts";
import { HttpsSupplyServer } from "../io/https-supply-server.ts";
import { type OpenIdFile, openIdFile } from "../io/id-memory-file.ts";
import { Kq1Server } from "../io/kq1-server.ts";
import type { ServerTexts } from "../io/tls-door.ts";
import { Turn } from "../io/turn.ts";
import type { KeyStore } from "../store/port.ts";
import { readTexts } from "./texts.ts";

/** QKD-key IDs that are remembered of each module: as many as its node may have unconfirmed. */
const rememberedIds = 2 ** 20;

export interface IntakeParts {
  readonly config: KmConfig;
  readonly store: KeyStore;
  /** Key of the digests of IDs, 16 bytes. */
  readonly idKey: Buffer;
  readonly events: IntakeEvents;
  readonly clock: Clock;
  readonly log: Log;
  readonly onFailure: (fault: Fault) => void;
}

export class Supplies {
  readonly intake: Intake;
  readonly #files: readonly OpenIdFile[];
  readonly #servers: (Kq1Server | HttpsSupplyServer)[] = [];
  readonly #parts: IntakeParts;

  /** Opens what is remembered of each module. @throws Fault `km_store.io`, `km_store.corrupt` */
  static async open(parts: IntakeParts): Promise<Supplies> {
    const { config, idKey, clock, onFailure } = parts;
    const mask = new IdMask(idKey);
    const folder = `${config.km.state_dir}/ids`;
    await diskFiles.makeFolder(folder);
    const files: OpenIdFile[] = [];
    const modules = [];
    for (const { name, module_id, matching_module_id, nodes } of config.modules) {
      const file = await openIdFile({
        files: diskFiles,
        folder,
        name,
        keyCheck: mask.check,
        most: rememberedIds,
        clock,
        onFailure,
      });
      files.push(file);
      const memory = new IdMemory(file, rememberedIds);
      memory.load(file.digests);
      modules.push({
        name,
        moduleId: module_id,
        matchingModuleId: matching_module_id,
        nodes,
        memory,
      });
    }
    return new Supplies(parts, new Intake({ ...parts, modules, mask, random: randomBytes }), files);
  }

  private constructor(parts: IntakeParts, intake: Intake, files: readonly OpenIdFile[]) {
    this.#parts = parts;
    this.intake = intake;
    this.#files = files;
  }

  /** Nodes may connect from now on. @throws Fault `kq1.connect`, `config.file` */
  async listen(): Promise<void> {
    const { config, clock, log } = this.#parts;
    const { kq1 } = config;
    if (kq1 === undefined) return;
    const { host, port, https_port, path, plain } = kq1;
    const tls = plain ? undefined : (readTexts(kq1) as ServerTexts);
    const turn = new Turn(this.intake);
    if (port !== undefined) {
      const server = new Kq1Server({ host, port, tls, turn, clock, log });
      log.info("Kq-1 over TCP", { host, port: await server.listen(), tls: tls !== undefined });
      this.#servers.push(server);
    }
    if (https_port !== undefined && tls !== undefined) {
      const server = new HttpsSupplyServer({ host, port: https_port, tls, path, turn, clock, log });
      log.info("Kq-1 over HTTPS", { host, port: await server.listen() });
      this.#servers.push(server);
    }
  }

  get connections(): number {
    return this.#servers.reduce(
      (sum, server) => sum + (server instanceof Kq1Server ? server.connections : 0),
      0,
    );
  }

  /** No key is taken any more. */
  async closeServers(): Promise<void> {
    await Promise.all(this.#servers.splice(0).map((server) => server.close()));
  }

  /** What is remembered is on the disk. */
  async close(): Promise<void> {
    await Promise.all(this.#files.map((file) => file.close()));
  }
}
