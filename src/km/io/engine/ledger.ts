/** The books, as the engine asks for them: one transaction at a time, answered when it is durable. */
import { realpathSync } from "node:fs";
import { extname, join } from "node:path";
import { Worker } from "node:worker_threads";
import { Fault } from "../../../base/errors.ts";
import type { LoadHow } from "./names-in.ts";
import { type NotOwn, notOwn, notOwnFault } from "./own-file.ts";
import { type LedgerRow, packRows } from "./packed-rows.ts";

/** Which keys of a group of the intake have left the buffer. */
export interface ConsumedRow {
  readonly grp: number;
  readonly segment: number;
  readonly bits: Uint8Array;
}

/** Where an extent is. */
export interface ExtentRow {
  readonly link: string;
  readonly number: number;
  readonly volume: number;
  readonly offset: number;
  readonly length: number;
}

/** What an extent of the last transaction was made of: see `redo.ts`. */
export interface RedoRow {
  readonly link: string;
  readonly number: number;
  /** See `packMaking`. */
  readonly runs: Uint8Array;
}

export interface LedgerChange {
  readonly rows: readonly LedgerRow[];
  readonly consumed: readonly ConsumedRow[];
  readonly extents: readonly ExtentRow[];
  readonly gone: readonly { readonly link: string; readonly number: number }[];
  readonly segmentsGone: readonly number[];
  /** In place of those of the transaction before. */
  readonly redo: readonly RedoRow[];
}

export interface LedgerLoaded {
  readonly rows: readonly LedgerRow[];
  readonly consumed: readonly ConsumedRow[];
  readonly extents: readonly ExtentRow[];
  readonly redo: readonly RedoRow[];
}

export type LedgerRequest =
  | { readonly type: "load"; readonly mayBegin: boolean }
  | {
      readonly type: "apply";
      readonly change: Omit<LedgerChange, "rows">;
      /** See {@link packRows}. */
      readonly rows: Uint8Array;
    }
  | { readonly type: "close" };

export type LedgerAnswer =
  | { readonly type: "loaded"; readonly loaded: LedgerLoaded }
  | { readonly type: "applied" }
  | { readonly type: "closed" }
  /** `file`: where it is not the books themselves. */
  | { readonly type: "failed"; readonly code: string; readonly file?: string };

/** Books that are durable when they answer, one transaction after the other. */
export interface Ledger {
  /**
   * @param mayBegin there is nothing that books would tell of: where there are none they are begun
   * @throws Fault `km_store.corrupt`, `km_store.version`, `km_store.io`; `km_store.full`, after which it may be tried again
   */
  load(mayBegin: boolean): Promise<LedgerLoaded>;
  /** @throws Fault `km_store.full`, of which nothing is durable; `km_store.io`: nothing of it, or all */
  apply(change: LedgerChange): Promise<void>;
  close(): Promise<void>;
}

interface Waiting {
  readonly resolve: (answer: LedgerAnswer) => void;
  readonly reject: (fault: Fault) => void;
}

/** Beside this file, and of its kind: the production build has it as a file of its own. */
const workerFile = join(import.meta.dirname, `ledger-worker${extname(import.meta.filename)}`);

export class LedgerThread implements Ledger {
  readonly #path: string;
  readonly #worker: Worker;
  readonly #waiting: Waiting[] = [];
  #dead: Fault | undefined;

  /** @param how "as it is": they can be loaded, and nothing of them is written */
  constructor(path: string, how: LoadHow = "clean") {
    this.#path = path;
    standSomewhere();
    this.#worker = new Worker(workerFile, {
      workerData: { path, how },
      name: "km-ledger",
    });
    this.#worker.on("message", (answer: LedgerAnswer) => this.#answered(answer));
    this.#worker.on("error", () => this.#die("the thread of the books failed"));
    this.#worker.on("exit", () => this.#die("the thread of the books ended"));
  }

  async load(mayBegin: boolean): Promise<LedgerLoaded> {
    const answer = await this.#ask({ type: "load", mayBegin });
    if (answer.type !== "loaded") throw this.#fault("km_store.io", "the books can't be read");
    return answer.loaded;
  }

  async apply(change: LedgerChange): Promise<void> {
    const { rows, ...rest } = change;
    const packed = packRows(rows);
    await this.#ask({ type: "apply", change: rest, rows: packed }, [packed.buffer]);
  }

  async close(): Promise<void> {
    if (this.#dead === undefined) await this.#ask({ type: "close" });
    await this.#worker.terminate();
  }

  #ask(request: LedgerRequest, given: readonly ArrayBuffer[] = []): Promise<LedgerAnswer> {
    if (this.#dead !== undefined) return Promise.reject(this.#dead);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#worker.postMessage(request, given);
    });
  }

  #answered(answer: LedgerAnswer): void {
    const waiting = this.#waiting.shift();
    if (answer.type !== "failed") return waiting?.resolve(answer);
    const { code, file = this.#path } = answer;
    if (code in notOwn) return waiting?.reject(notOwnFault(file, code as NotOwn));
    // SQLITE_CORRUPT and SQLITE_NOTADB.
    const corrupt = code === "damaged" || code === "sqlite 11" || code === "sqlite 26";
    if (code === "gone") {
      const message = "the books are gone, or empty, and the keys that they tell of are there";
      return waiting?.reject(this.#fault("km_store.corrupt", message));
    }
    if (code === "removed") {
      const message = "the books, or their -wal, were removed or replaced while they were open";
      return waiting?.reject(this.#fault("km_store.io", message));
    }
    if (code === "version") {
      const message = "a later version of the key manager made these books";
      return waiting?.reject(this.#fault("km_store.version", message, code));
    }
    // SQLITE_FULL: the transaction was rolled back. SQLITE_IOERR_SHMSIZE: the -shm could not grow.
    if (code === "sqlite 13" || code === "sqlite 4874") {
      return waiting?.reject(this.#fault("km_store.full", "no room for the books", code));
    }
    waiting?.reject(
      corrupt
        ? this.#fault("km_store.corrupt", "the books are damaged", code)
        : this.#fault("km_store.io", "the books can't be written or read", code),
    );
  }

  #die(message: string): void {
    this.#dead ??= this.#fault("km_store.io", message);
    for (const { reject } of this.#waiting.splice(0)) reject(this.#dead);
  }

  #fault(
    code: "km_store.io" | "km_store.corrupt" | "km_store.version" | "km_store.full",
    message: string,
    reason = "",
  ): Fault {
    return new Fault(code, message, { file: this.#path, ...(reason !== "" && { reason }) });
  }
}

/** A thread begins where the process is, and cannot where that folder was removed. */
function standSomewhere(): void {
  try {
    // What `process.cwd()` says it may remember.
    realpathSync.native(".");
  } catch {
    process.chdir("/");
  }
}
