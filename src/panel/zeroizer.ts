/**
 * Has modules destroy their key, however often they must be told: what is still owed is on disk, and
 * a module that is away is told when it is back.
 */
import { backoff } from "../lifecycle/retry.ts";
import type { Clock, Timer } from "../port/clock.ts";
import { describe, Fault } from "../port/errors.ts";
import type { Log } from "../port/log.ts";
import type { ModuleCommand } from "../port/module.ts";
import type { PanelState } from "../state/state.ts";

/** A module, and the key of it in the node's memory. */
export interface ZeroizedModule {
  readonly name: string;
  /** @throws Fault `module.command` */
  command(command: ModuleCommand): Promise<void>;
  /** Wipes what the node holds of it. */
  forget(): void;
}

export interface ZeroizerParts {
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
  /** What is owed changed; to be made durable. */
  readonly onChange: (owed: PanelState["zeroize"]) => void;
  /** A module has destroyed its key. */
  readonly onDone: (module: string, cause: string) => void;
}

const waits = { firstMs: 250, maxMs: 5_000 } as const;

export class Zeroizer {
  readonly #parts: ZeroizerParts;
  #modules: readonly ZeroizedModule[] = [];
  #cause = "";
  readonly #owed = new Set<string>();
  readonly #busy = new Set<string>();
  /** Some module was told and did not do it. */
  #failed = false;
  #ordered = false;
  #timer: Timer | undefined;
  #waits: Iterator<number>;
  #stopped = false;

  constructor(parts: ZeroizerParts) {
    this.#parts = parts;
    this.#waits = this.#schedule();
  }

  get state(): "none" | "pending" | "done" | "failed" {
    if (this.#owed.size === 0) return this.#ordered ? "done" : "none";
    return this.#failed ? "failed" : "pending";
  }

  /** @param owed from before a restart */
  start(modules: readonly ZeroizedModule[], owed: PanelState["zeroize"]): void {
    this.#modules = modules;
    if (owed === undefined) return;
    this.#cause = owed.cause;
    const configured = owed.modules.filter((name) => modules.some((one) => one.name === name));
    for (const name of configured) this.#owed.add(name);
    this.#ordered = true;
    if (configured.length < owed.modules.length) this.#tell();
    this.#tellAll();
  }

  /** All modules, from this call on. */
  order(cause: string): void {
    this.#cause = cause;
    this.#ordered = true;
    this.#failed = false;
    this.#waits = this.#schedule();
    for (const { name } of this.#modules) this.#owed.add(name);
    // The modules first: a disk may take its time.
    this.#tellAll();
    for (const module of this.#modules) module.forget();
    this.#tell();
  }

  /**
   * The link to a module is up, or down for the reason given; one that says it is zeroized has done
   * what its answer did not tell in time.
   */
  link(name: string, down: Error | undefined): void {
    if (!this.#owed.has(name)) return;
    if (down === undefined) this.#command(name);
    else if (down instanceof Fault && down.facts.zeroized === true) this.#done(name);
  }

  /** An operator gives up what was not carried out. */
  giveUp(): void {
    this.#owed.clear();
    this.#ordered = false;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#tell();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  #tellAll(): void {
    for (const name of this.#owed) this.#command(name);
  }

  #command(name: string): void {
    const module = this.#modules.find((one) => one.name === name);
    if (module === undefined || this.#busy.has(name) || this.#stopped) return;
    this.#busy.add(name);
    module.command({ name: "zeroize" }).then(
      () => {
        this.#busy.delete(name);
        this.#done(name);
      },
      (error: unknown) => {
        this.#busy.delete(name);
        if (!this.#owed.has(name)) return;
        this.#failed = true;
        this.#parts.log.warn("module not zeroized yet", { module: name, why: describe(error) });
        this.#again();
        this.#tell();
      },
    );
  }

  #again(): void {
    if (this.#stopped) return;
    this.#timer ??= this.#parts.clock.after(this.#waits.next().value ?? 1_000, () => {
      this.#timer = undefined;
      this.#tellAll();
    });
  }

  #done(name: string): void {
    if (!this.#owed.delete(name)) return;
    // What came while the module was told.
    this.#modules.find((one) => one.name === name)?.forget();
    this.#parts.onDone(name, this.#cause);
    this.#tell();
  }

  #tell(): void {
    const modules = [...this.#owed];
    this.#parts.onChange(modules.length === 0 ? undefined : { modules, cause: this.#cause });
  }

  #schedule(): Iterator<number> {
    return backoff({ ...waits, random: this.#parts.random });
  }
}
