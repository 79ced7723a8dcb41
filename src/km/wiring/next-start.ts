/**
 * Whether the next start would have the master key of the store. The store stays open without it, so that a token which
 * is gone, or a file that was moved, would else be noticed by the start that fails.
 */
import { type Clock, every, type Timer } from "../../base/clock.ts";
import { describe, errorCode, Fault } from "../../base/errors.ts";
import { diskFiles, exists, type FileSystem } from "../../host/disk/files.ts";
import { askToken } from "../io/hsm/ask.ts";
import { WrappedFiles } from "../io/hsm/wrapped-file.ts";
import { readMasterKey } from "../io/master-key.ts";
import { fitsStore, hsmRequest, type MasterKeyConfig } from "../io/master-key-source.ts";
import type { NextStartStatus } from "../model/status.ts";

/** A look at a token begins a process: not more often than this by itself, ms. */
const lookMs = 300_000;
/** What is wrong is looked at again after this, ms: a token that was busy is no alarm, and what was mended is none any more. */
const againMs = 30_000;

export interface NextStartParts {
  readonly config: MasterKeyConfig;
  readonly clock: Clock;
  /** The process ends: a token is not waited for. */
  readonly stop?: AbortSignal;
  /** Default: this machine. */
  readonly files?: FileSystem;
  readonly ask?: typeof askToken;
}

export class NextStart {
  readonly #parts: Required<Omit<NextStartParts, "stop">> & Pick<NextStartParts, "stop">;
  #status: NextStartStatus = {};
  #looking: Promise<void> = Promise.resolve();
  #lookedAt = Number.NEGATIVE_INFINITY;

  constructor(parts: NextStartParts) {
    this.#parts = { files: diskFiles, ask: askToken, ...parts };
  }

  /** What was found last; before the first look nothing. */
  get status(): NextStartStatus {
    return this.#status;
  }

  /** Looks now, and from now on again and again. */
  start(): Timer {
    void this.look();
    const { clock } = this.#parts;
    let isLooking = false;
    return every(clock, againMs, () => {
      const isGood = Object.keys(this.#status).length === 0;
      if (isLooking || (isGood && clock.now() - this.#lookedAt < lookMs)) return;
      isLooking = true;
      void this.look().finally(() => {
        isLooking = false;
      });
    });
  }

  /** After those that are under way. Never rejects. */
  look(): Promise<void> {
    this.#looking = this.#looking.then(async () => {
      this.#lookedAt = this.#parts.clock.now();
      const found = await this.#find();
      if (this.#parts.stop?.aborted !== true) this.#status = found;
    });
    return this.#looking;
  }

  async #find(): Promise<NextStartStatus> {
    const { master_key_file, master_key_next_file, hsm } = this.#parts.config.store;
    const why: string[] = [];
    for (const file of [master_key_file, master_key_next_file]) {
      if (file === undefined) continue;
      const no = await this.#whyNot(file);
      if (no === undefined) return hsm === undefined ? {} : this.#leftOver();
      // A next one that is not there was not made yet.
      if (file === master_key_file) why.push(no);
    }
    if (hsm === undefined) return { fails: why.join("; ") };
    const no = await this.#whyNoToken();
    return { ...(no !== undefined && { fails: no }), ...(await this.#leftOver()) };
  }

  /** Why a start could not open the store by this file; undefined: it could. */
  async #whyNot(file: string): Promise<string | undefined> {
    let key: Buffer | undefined;
    try {
      key = readMasterKey(file);
      const fits = await fitsStore(this.#parts.config, key, this.#parts.files);
      if (fits) return undefined;
      if (fits === false) return `the store has another master key than that of ${file}`;
      return `the store is not in ${this.#parts.config.km.state_dir} any more`;
    } catch (error) {
      return wordsOf(error);
    } finally {
      key?.fill(0);
    }
  }

  /** What can be seen without a PIN: a token counts wrong ones. */
  async #whyNoToken(): Promise<string | undefined> {
    const { config, files, ask, clock, stop } = this.#parts;
    const wrapped = new WrappedFiles(files, config.km.state_dir);
    try {
      const next = await wrapped.read(wrapped.nextPath).catch(() => undefined);
      const now = await wrapped.read(wrapped.path).catch((error) => {
        if (next === undefined) throw error;
      });
      if (now === undefined && next === undefined) return `${wrapped.path} is not there`;
      const limit = config.store.hsm?.answer_timeout ?? 0;
      await ask(hsmRequest(config, "look"), limit, clock, undefined, stop);
      return undefined;
    } catch (error) {
      return wordsOf(error);
    }
  }

  async #leftOver(): Promise<NextStartStatus> {
    const { config, files } = this.#parts;
    const { nextPath } = new WrappedFiles(files, config.km.state_dir);
    const isThere = await exists(files, nextPath).catch(() => false);
    return isThere ? { left_over: nextPath } : {};
  }
}

function wordsOf(error: unknown): string {
  return error instanceof Fault ? describe(error) : (errorCode(error) ?? "unknown");
}
