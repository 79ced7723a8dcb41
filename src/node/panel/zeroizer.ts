/**
 * Has modules destroy their key, however often they must be told: what is still owed is on disk, a
 * start finishes it, and a module that is away is told when it is back. Until a module has done it,
 * nothing that it delivers is taken up.
 */

import { type Clock, type Timer, within } from "../../base/clock.ts";
import { describe, Fault } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { backoff } from "../../base/retry.ts";
import type { ModuleCommand } from "../../port/module.ts";
import type { PanelState } from "../state/state.ts";

/** A module, and the key of it in the node. */
export interface ZeroizedModule {
  readonly name: string;
  /**
   * Upon `zeroize` it also destroys what the node has of the module on disk and in memory; one that is
   * known to be zeroized need not be connected for that.
   * @throws Fault `module.command`, `state.io`
   */
  command(command: ModuleCommand): Promise<void>;
  /** Wipes what the node holds of it in memory. */
  forget(): void;
  /** Takes up none of its key until `open` is called as often. */
  shut(): void;
  open(): void;
}

export interface ZeroizerParts {
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
  /** What is owed changed. @returns when that is on disk; never rejects */
  readonly onChange: (owed: PanelState["zeroize"]) => Promise<void>;
  /** A module has destroyed its key. */
  readonly onDone: (module: string, cause: string) => void;
}

const waits = { firstMs: 250, maxMs: 5_000 } as const;
/** A disk that takes longer to remember what is owed does not hold up who destroys keys, ms. */
const rememberedWithin = 500;
const byCommand = "command";

export class Zeroizer {
  readonly #parts: ZeroizerParts;
  #modules: readonly ZeroizedModule[] = [];
  /** Of what the panel brought about. */
  #cause = "";
  /** Modules, and on whose account. */
  readonly #owed = new Map<string, string>();
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
    const { cause, commanded = [] } = owed;
    this.#cause = cause;
    const configured = owed.modules.filter((name) => modules.some((one) => one.name === name));
    for (const name of configured) this.#owe(name, commanded.includes(name) ? byCommand : cause);
    this.#ordered = owed.modules.some((name) => !commanded.includes(name));
    if (configured.length < owed.modules.length) void this.#tell();
    this.#tellAll();
  }

  /** All modules, from this call on. */
  order(cause: string): void {
    this.#cause = cause;
    this.#ordered = true;
    this.#failed = false;
    this.#waits = this.#schedule();
    for (const { name } of this.#modules) this.#owe(name, cause);
    // The modules first: a disk may take its time.
    this.#tellAll();
    for (const module of this.#modules) module.forget();
    void this.#tell();
  }

  /**
   * One module, upon a command. It is owed, and finished by the next start, until the module has
   * answered; a refusal ends it, a spool that can't be emptied does not.
   * @throws Fault `module.command`, `state.io`
   */
  async carryOut(name: string): Promise<void> {
    const module = this.#modules.find((one) => one.name === name);
    if (module === undefined) throw new Fault("module.command", "module is not served");
    const fresh = !this.#owed.has(name);
    if (fresh) {
      this.#owe(name, byCommand);
      // On disk first: a node that is killed once the module was told must know of it.
      await this.#remembered(this.#tell());
      this.#busy.add(name);
    }
    try {
      await module.command({ name: "zeroize" });
    } catch (error) {
      const left = error instanceof Fault && error.code === "state.io";
      if (left) {
        this.#failed = true;
        this.#again();
      } else if (this.#owed.get(name) === byCommand) await this.#settle(name);
      throw error;
    } finally {
      if (fresh) this.#busy.delete(name);
    }
    if (this.#owed.get(name) === byCommand) await this.#settle(name);
    else this.#done(name);
  }

  /**
   * The link to a module is up, or down for the reason given; one that says it is zeroized has done
   * what its answer did not tell in time.
   */
  link(name: string, down: Error | undefined): void {
    if (!this.#owed.has(name)) return;
    const zeroized = down instanceof Fault && down.facts.zeroized === true;
    if (down === undefined || zeroized) this.#command(name);
  }

  /** An operator gives up what was not carried out. */
  giveUp(): void {
    const names = [...this.#owed.keys()];
    this.#owed.clear();
    this.#ordered = false;
    this.#timer?.cancel();
    this.#timer = undefined;
    void this.#tell();
    for (const name of names) this.#open(name);
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  #tellAll(): void {
    for (const name of this.#owed.keys()) this.#command(name);
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
        void this.#tell();
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
    const cause = this.#owed.get(name);
    if (cause === undefined) return;
    this.#parts.onDone(name, cause);
    void this.#settle(name);
  }

  /** Takes up nothing of the module's key from here on. */
  #owe(name: string, cause: string): void {
    const known = this.#owed.has(name);
    this.#owed.set(name, cause);
    if (!known) this.#modules.find((one) => one.name === name)?.shut();
  }

  /** Its key is taken up again once it is on disk that nothing is owed: a start would destroy it. */
  async #settle(name: string): Promise<void> {
    this.#owed.delete(name);
    await this.#remembered(this.#tell());
    this.#open(name);
  }

  #open(name: string): void {
    this.#modules.find((one) => one.name === name)?.open();
  }

  #tell(): Promise<void> {
    const modules = [...this.#owed.keys()];
    const commanded = modules.filter((name) => this.#owed.get(name) === byCommand);
    return this.#parts.onChange(
      modules.length === 0
        ? undefined
        : { modules, cause: this.#cause, ...(commanded.length > 0 && { commanded }) },
    );
  }

  async #remembered(saved: Promise<void>): Promise<void> {
    const late = () => new Fault("state.io", "the disk is slow", { limit_ms: rememberedWithin });
    await within(this.#parts.clock, rememberedWithin, saved, late).catch(() => {});
  }

  #schedule(): Iterator<number> {
    return backoff({ ...waits, random: this.#parts.random });
  }
}
