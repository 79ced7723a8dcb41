/**
 * The port through which the node sees a QKD module. `src/` owns it, `drivers/` implements it.
 *
 * A {@link ModuleDriver} makes sessions; a {@link ModuleSession} is one conversation and is used
 * once: when it ends, for whatever reason, the supervisor makes a new one. At the start of each
 * session the module offers every block it was not told to release, oldest first; so nothing needs
 * to be remembered across sessions but what the KM already has, and that is in the ledger.
 */
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { BatchSpool } from "./batch-spool.ts";
import type { BlockFacts, BlockRef, KeyBlock } from "./key.ts";
import type { TelemetrySample } from "./telemetry.ts";

/** A pair of modules, as their IDs (Kq-1 Table 1): ours and the one at the other end. */
export interface ModulePair {
  readonly moduleId: string;
  /** Empty where it was never told. */
  readonly matchingModuleId: string;
}

export type ModuleRole = "alice" | "bob";

/** Who answered, as the module tells it. */
export interface ModuleIdentity {
  /** QKD module ID, 1-128 characters (Kq-1 Table 1). Neither ID has control characters: the node would not serve it. */
  readonly moduleId: string;
  /** ID of the matching module at the other end; empty if the module does not know it. */
  readonly matchingModuleId: string;
  readonly role: ModuleRole;
  readonly vendor: string;
  readonly model: string;
  readonly serial: string;
  readonly firmware: string;
  /** The dialect and version spoken with it, such as `QMLP 1`. */
  readonly protocol: string;
  /** The longest block it will ever offer, in bytes. */
  readonly maxBlockBytes: number;
  /**
   * The newest block of each epoch that the module holds as the session begins, if it can tell: what
   * comes behind these was made later.
   */
  readonly newest?: readonly BlockRef[];
}

/** How well the link carries frames; counters since the session began. */
export interface LinkQuality {
  readonly framesReceived: number;
  readonly framesSent: number;
  readonly bytesReceived: number;
  readonly bytesSent: number;
  /** Frames dropped for a bad checksum, bad stuffing or excess length. */
  readonly framesBad: number;
  /** Frames that this side had to send again. */
  readonly framesResent: number;
}

/** Something the module says happened; severity by ITU-T X.733. */
export interface ModuleEvent {
  readonly code: string;
  readonly severity: "critical" | "major" | "minor" | "warning" | "indeterminate" | "cleared";
  readonly text: string;
}

/** What a module can be told to do, beside its keys (Kq-1 §7.1; Y.3803 §8.2.5). */
export type ModuleCommand =
  | { readonly name: "start" | "stop" | "self_test" | "zeroize" }
  /** bit/s of key; 0 = as much as the link gives */
  | { readonly name: "key_rate"; readonly bitsPerSecond: number }
  /** ms between telemetry samples; 0 = off, else 100 to 3,600,000 */
  | { readonly name: "telemetry_interval"; readonly ms: number };

/**
 * What a session tells its owner. Called from the session's own turn of the event loop, never from
 * within a call to the session.
 */
export interface ModuleSink {
  /** A block arrived whole and undamaged. The receiver owns it, and wipes it. */
  block(block: KeyBlock): void;
  /** A block arrived damaged, also when it was read again; the module still holds it. */
  damaged(facts: BlockFacts, why: string): void;
  /** The module has let go of these blocks, or never knew them; also the answer to `discard`. */
  released(refs: readonly BlockRef[]): void;
  telemetry(sample: TelemetrySample): void;
  event(event: ModuleEvent): void;
  /**
   * What the driver itself finds wrong was looked at for the first time, and is not so: what was told of it before, by
   * another session or before a restart, is over. Where nothing was, nothing is told. Not for what a module says itself.
   */
  absent(code: string): void;
}

export interface ModuleSession {
  readonly identity: ModuleIdentity;
  /** Settles when the session is over: with the fault that ended it, or undefined after `close`. */
  readonly ended: Promise<Error | undefined>;
  /**
   * Lets the module offer that many more blocks and bytes. A session starts with none; the module
   * sends a block only when both suffice. This is the node's back-pressure.
   */
  grant(blocks: number, bytes: number): void;
  /** Tells the module that these blocks are in other hands. Idempotent; answered by `released`. */
  release(refs: readonly BlockRef[]): void;
  /** Tells the module to destroy blocks that an operator gave up. Idempotent. */
  discard(refs: readonly BlockRef[]): void;
  /** Asks for held blocks again, as far as credit goes; unknown ones are ignored. */
  read(refs: readonly BlockRef[]): void;
  /**
   * Settles when the module has answered.
   * @throws Fault `module.command` if it refused, failed, did not answer, or can't do that
   */
  command(command: ModuleCommand): Promise<void>;
  quality(): LinkQuality;
  /** Ends the session in order, within a second; never rejects. */
  close(): Promise<void>;
}

export interface ModuleDriver {
  /** The kind in the configuration, such as `qmlp`. */
  readonly kind: string;
  /** Where the module is attached, for logs: a device path or an address. */
  readonly where: string;
  /**
   * What the device tells of itself without a session, as names and values for a person; for
   * `probe`. @throws Fault `link.open`
   */
  inspect?(): Readonly<Record<string, string>>;
  /**
   * Destroys the key that the node keeps on disk for the module, without a session; where there is
   * such a thing. @throws Fault `state.io`
   */
  destroy?(): Promise<void>;
  /**
   * From now on blocks that the module delivers are wiped and not handed on, in this session and those
   * to come, until `open` was called as often. Only of drivers that stand before another driver.
   */
  shut?(): void;
  /** What was dropped and is still in the module is asked for again. */
  open?(): void;
  /**
   * Opens the link and identifies the module.
   * @throws Fault `link.*` or `qmlp.*`; nothing is left open then
   */
  connect(sink: ModuleSink, signal: AbortSignal): Promise<ModuleSession>;
}

/** A device or a folder that no other process works with until it is let go of. */
export interface Held {
  release(): void;
}

/** What every driver is made with. */
export interface DriverContext {
  readonly clock: Clock;
  readonly log: Log;
  /**
   * Has a device or a folder for this process alone: where opening it keeps out no other, two nodes would each be offered
   * its blocks. Without it none is kept out. @returns undefined if another process has it
   */
  readonly hold?: (path: string) => Promise<Held | undefined>;
  /** Of a kind that `spools`: where it keeps key. Until it can be opened each call tries anew. @throws Fault */
  readonly spool?: () => Promise<BatchSpool>;
}
