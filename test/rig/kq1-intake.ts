/** Acquisition of a key manager for tests: intake over a store in memory, and servers in front of it. */
import { randomBytes } from "node:crypto";
import { createLog, type Log } from "../../src/base/log.ts";
import type { IdRecord } from "../../src/km/acquisition/id-memory.ts";
import { IdMemory } from "../../src/km/acquisition/id-memory.ts";
import { Intake, type IntakeOptions } from "../../src/km/acquisition/intake.ts";
import type { IntakeModule } from "../../src/km/acquisition/line.ts";
import type { IntakeEvents } from "../../src/km/acquisition/module-intake.ts";
import { IdMask } from "../../src/km/keys/masked-ids.ts";
import { type Buffered, type BufferedKeys, eachOf } from "../../src/km/store/buffered.ts";
import type { Handle } from "../../src/km/store/port.ts";
import { MemoryKeyStore } from "./memory-key-store.ts";
import { columnsOf } from "./stored-keys.ts";

export const quiet: Log = createLog(() => {}, "error");

/** Durable at once, and forgotten with the process. */
export const noRecord: IdRecord = {
  append() {},
  settled: (done) => done(),
};

/** Takes note of what intake tells. */
export class Told implements IntakeEvents {
  readonly buffered: Buffered[] = [];
  readonly gone: Handle[] = [];
  /** Keys whose IDs are durable. */
  confirmed = 0;
  readonly conflicts: string[] = [];
  /** Handles that are in a batch. */
  readonly busy = new Set<Handle>();
  readonly #store: MemoryKeyStore;

  constructor(store: MemoryKeyStore) {
    this.#store = store;
    this.buffered.push(...store.buffered);
  }

  stored(buffered: BufferedKeys, confirmed: (done: () => void) => void): void {
    this.buffered.push(...eachOf(buffered));
    confirmed(() => {
      this.confirmed += buffered.handles.length;
    });
  }
  keepOut(_module: string, id: Uint8Array): boolean {
    const key = this.buffered.find((one) => Buffer.from(one.id).equals(id));
    if (key === undefined || this.busy.has(key.handle)) return false;
    this.gone.push(key.handle);
    this.#store.commit({ dropped: [key.handle] });
    return true;
  }
  conflict(_module: string, id: Uint8Array): void {
    this.conflicts.push(Buffer.from(id).toString("hex"));
  }
}

export const moduleA: IntakeModule = {
  name: "a",
  moduleId: "QKD-A-0001",
  matchingModuleId: "QKD-B-0001",
  nodes: ["node-a"],
};

/** One life of a key manager over a store, which may have had another before. */
export function openIntake(
  store = new MemoryKeyStore(),
  more: Partial<IntakeOptions> & { readonly remembers?: number; readonly record?: IdRecord } = {},
) {
  const { remembers = 4_096, record = noRecord, ...options } = more;
  const told = new Told(store);
  const intake = new Intake({
    modules: [{ ...moduleA, memory: new IdMemory(record, remembers) }],
    store,
    mask: new IdMask(Buffer.alloc(16, 7)),
    random: randomBytes,
    events: told,
    ...options,
  });
  void intake.load(columnsOf(store.buffered));
  return { intake, store, told };
}
