/**
 * Decides what becomes of a QKD-key that came (Y.3803 §8.2.1): stored, known already, or refused. A key is
 * answered `success` when it is durable, not before. Knows nothing of sockets and disks.
 */
import type { SupplyResponse } from "../../wire/kq1/supply-answer.ts";
import type { SupplyReader } from "../../wire/kq1/supply-reader.ts";
import type { IdMask } from "../keys/masked-ids.ts";
import { wholeBytes } from "../keys/received.ts";
import type { BufferedKeys } from "../store/buffered.ts";
import type { KeyStore } from "../store/port.ts";
import type { IdMemory } from "./id-memory.ts";
import type { InFlight, IntakeModule, Line } from "./line.ts";
import { type IntakeEvents, ModuleIntake } from "./module-intake.ts";

export interface IntakeOptions {
  readonly modules: readonly (IntakeModule & { readonly memory: IdMemory })[];
  readonly store: KeyStore;
  readonly mask: IdMask;
  /** Draws so many bytes: keys for comparing what is contested. */
  readonly random: (bytes: number) => Buffer;
  /** Of one connection, and of all. */
  readonly inFlightOfLine?: InFlight;
  readonly inFlight?: InFlight;
  readonly events: IntakeEvents;
}

const standardOfLine: InFlight = { keys: 16_384, bytes: 16_777_216 };
const standardOfAll: InFlight = { keys: 131_072, bytes: 67_108_864 };

/** Why keys were refused here, counted. */
export type Refused = Partial<Record<SupplyResponse, number>>;

export class Intake {
  readonly #ofLine: InFlight;
  readonly #ofAll: InFlight;
  readonly #byId = new Map<string, ModuleIntake>();
  readonly #byName = new Map<string, ModuleIntake>();
  readonly #gathering = new Set<ModuleIntake>();
  /** Keys that have no answer yet, and their bytes. */
  #keys = 0;
  #bytes = 0;
  #answered = 0;
  /** Answers other than `success`, since the start. */
  readonly refused: Refused = {};

  constructor(options: IntakeOptions) {
    this.#ofLine = options.inFlightOfLine ?? standardOfLine;
    this.#ofAll = options.inFlight ?? standardOfAll;
    const { store, mask, random, events } = options;
    const answer = (line: Line, ticket: number, bytes: number, response: SupplyResponse) =>
      this.#answer(line, ticket, bytes, response);
    for (const { memory, ...module } of options.modules) {
      const own = new ModuleIntake({ module, memory, store, mask, random, events, answer });
      this.#byId.set(module.moduleId, own);
      this.#byName.set(module.name, own);
    }
  }

  /** Keys that have no answer yet. */
  get inFlight(): InFlight {
    return { keys: this.#keys, bytes: this.#bytes };
  }

  /** Keys that were taken in and have their answer, since the start. */
  get answered(): number {
    return this.#answered;
  }

  /** The intake of a module. @param name in the configuration */
  module(name: string): ModuleIntake | undefined {
    return this.#byName.get(name);
  }

  /**
   * Takes note of what the store had in its buffer when it was opened.
   * @returns resolves when matching may work with these keys
   */
  async load(buffered: readonly BufferedKeys[]): Promise<void> {
    const byModule = Map.groupBy(buffered, ({ module }) => module);
    const loading = Array.from(byModule, ([name, of]) => {
      const module = this.#byName.get(name);
      return new Promise<void>((resolve) => {
        if (module === undefined) this.#notComeAgain(of, resolve);
        else module.load(of, resolve);
      });
    });
    await Promise.all(loading);
  }

  /**
   * A module has another name in the configuration now, or is gone from it: what waits under the name of before is not
   * to come in a second time under another, from a node that has not noted that it was confirmed (rule S1).
   */
  #notComeAgain(keys: readonly BufferedKeys[], done: () => void): void {
    let left = this.#byName.size;
    if (left === 0) return done();
    for (const module of this.#byName.values()) {
      module.confirmed(keys, () => {
        if (--left === 0) done();
      });
    }
  }

  /**
   * A key was read; it is taken from the reader, or wiped there. The answer may come before this returns.
   * @param ticket by which the line knows it
   */
  supply(line: Line, ticket: number, reader: SupplyReader): void {
    const { facts, byteLength } = reader;
    if (facts === undefined) return;
    const module = this.#byId.get(facts.moduleId);
    const refused = this.#judge(line, module, facts.matchingModuleId, byteLength);
    if (refused !== undefined || module === undefined) {
      reader.drop();
      return this.#say(line, ticket, refused ?? "unknown_module");
    }
    // Less than a byte is of no use, and no error: it is the end of a block, and counted.
    if (wholeBytes(facts.bits) === 0) {
      reader.drop();
      module.counts.tooShort++;
      return this.#say(line, ticket, "success");
    }
    line.keys++;
    line.bytes += byteLength;
    this.#keys++;
    this.#bytes += byteLength;
    module.gather(line, ticket, reader);
    this.#gathering.add(module);
  }

  /** Hands on what came since the last time. To be called at the end of each turn in which something came. */
  flush(): void {
    for (const module of this.#gathering) module.flush();
    this.#gathering.clear();
  }

  #judge(
    line: Line,
    module: ModuleIntake | undefined,
    matchingModuleId: string | undefined,
    bytes: number,
  ): SupplyResponse | undefined {
    if (module === undefined) return "unknown_module";
    if (!line.maySupply(module.module)) return "unauthorized";
    if (matchingModuleId !== undefined && matchingModuleId !== module.module.matchingModuleId) {
      return "unknown_module";
    }
    const isOver = ({ keys, bytes: most }: InFlight, atKeys: number, atBytes: number) =>
      atKeys >= keys || atBytes + bytes > most;
    const busy =
      isOver(this.#ofLine, line.keys, line.bytes) || isOver(this.#ofAll, this.#keys, this.#bytes);
    return busy ? "busy" : undefined;
  }

  #answer(line: Line, ticket: number, bytes: number, response: SupplyResponse): void {
    line.keys--;
    line.bytes -= bytes;
    this.#answered++;
    this.#keys--;
    this.#bytes -= bytes;
    this.#say(line, ticket, response);
  }

  #say(line: Line, ticket: number, response: SupplyResponse): void {
    if (response !== "success") this.refused[response] = (this.refused[response] ?? 0) + 1;
    line.answer(ticket, response);
  }
}
