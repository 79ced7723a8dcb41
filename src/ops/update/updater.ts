/**
 * Updates of an appliance, as far as the node has a part in them: it fetches the bundle that a command
 * names, or takes it from who stands at the machine, and asks for it to be installed. Who installs runs
 * as root, checks who signed the bundle, and takes nothing from the node but the bundle and its hash.
 */
import { mkdir, open, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import { type Clock, delay } from "../../base/clock.ts";
import { describe, Fault } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { download, type ServerTrust } from "./download.ts";
import { UpdateFolder } from "./dropped.ts";
import { type LastUpdate, type Phase, partDone, type UnderWay } from "./slots.ts";

/** A bundle of today has 110 MB, bytes. */
export const mostBytes = 512 * 1_048_576;

const sha256 = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));
/** An older version may be installed, this once: if root believes who says so, see `Request`. */
const allow_downgrade = v.optional(v.boolean(), false);

const argsSchema = v.strictObject({
  /** Where the bundle is: `https://…`, or a plain name in the drop folder. */
  bundle: v.pipe(v.string(), v.maxLength(2_048)),
  /** Of the bundle, 64 hexadecimal digits. */
  sha256,
  allow_downgrade,
});

/** Who stands at the machine names an address, or sends the bundle; never a file of the node's. */
const localSchema = v.union([
  v.strictObject({
    bundle: v.pipe(v.string(), v.startsWith("https://"), v.maxLength(2_048)),
    sha256: v.optional(sha256),
    allow_downgrade,
  }),
  v.strictObject({
    bytes: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(mostBytes)),
    sha256,
    allow_downgrade,
  }),
]);

/** Takes so many bytes from who gave the command into a file. @throws Error */
export type Receive = (
  bytes: number,
  file: string,
  onBytes: (received: number) => void,
) => Promise<void>;

export interface UpdaterParts {
  /** The node's state folder; the folder for updates is in it. */
  readonly stateFolder: string;
  /** Where requests are put for who installs. */
  readonly requests: string;
  /** What became of a request. */
  readonly result: string;
  /** What RAUC has printed so far. */
  readonly said: string;
  /** Reads whom to believe of servers. @throws what the system says */
  readonly trust: () => ServerTrust;
  readonly clock: Clock;
  readonly log: Log;
  /** It is over: installed, or why not. */
  readonly onEnd: (bundle: string, refused: string | undefined) => void;
}

/** A bundle by its address, as both kinds of command name it. */
interface Named {
  readonly bundle: string;
  readonly sha256?: string | undefined;
  readonly allow_downgrade: boolean;
}

interface Work {
  readonly bundle: string;
  readonly sha256: string | undefined;
  /** The manager's signed command, if it allows an older version: root checks it again. */
  readonly allowance?: string | undefined;
  /** Brings the bundle to the node's own copy. */
  readonly bring: () => Promise<void>;
}

/** What root is asked: a line each. */
interface Request {
  /** Of the node's own copy; root compares it with the copy that it installs. */
  readonly sha256: string;
  readonly allowance?: string | undefined;
}

/** Writing two partitions takes a minute on slow flash, ms. */
const installMs = 30 * 60_000;
const lookMs = 500;
/** Of what RAUC printed only the end is of interest, bytes. */
const tailBytes = 4_096;

export class Updater {
  readonly #parts: UpdaterParts;
  readonly #folder: UpdateFolder;
  /** What an earlier process left is gone: a bundle that comes before that would be removed with it. */
  #cleaned: Promise<void> = Promise.resolve();
  #underWay: { bundle: string; phase: Phase; done: number | undefined } | undefined;
  #last: LastUpdate | undefined;

  constructor(parts: UpdaterParts) {
    this.#parts = parts;
    this.#folder = new UpdateFolder(parts.stateFolder);
  }

  /** Removes what an earlier process left half done. Never rejects. */
  clean(): Promise<void> {
    const warn = (error: unknown) => this.#parts.log.warn(describe(error));
    this.#cleaned = this.#folder.prepare().catch(warn);
    return this.#cleaned;
  }

  /**
   * Begins to fetch and install what a manager's command names; how it ends is told by `onEnd`.
   * @param signed the command as the manager signed it: it is what root believes about `allow_downgrade`
   * @throws Fault `update` if the arguments are no good, or another update is under way
   */
  begin(args: unknown, signed?: string): { readonly started: true } {
    return this.#beginFetching(parse(argsSchema, args), signed);
  }

  /**
   * The same for who stands at the machine. Resolves when it has begun: a bundle that is sent is there
   * by then, and whole.
   * @throws Fault `update`; what `receive` throws
   */
  async beginLocal(args: unknown, receive: Receive): Promise<{ readonly started: true }> {
    const parsed = parse(localSchema, args);
    if ("bundle" in parsed) return this.#beginFetching(parsed);
    const { bytes, sha256 } = parsed;
    const bundle = "a local file";
    this.#occupy(bundle, "receiving");
    try {
      await this.#cleaned;
      await this.#folder.prepare();
      const onBytes = (received: number) => this.#phase("receiving", received / bytes);
      await receive(bytes, this.#folder.bundle, onBytes);
    } catch (error) {
      this.#underWay = undefined;
      await this.#folder.remove().catch(() => {});
      throw error;
    }
    this.#carryOut({ bundle, sha256, bring: async () => {} });
    return { started: true };
  }

  /** What is going on now. */
  async underWay(): Promise<UnderWay | undefined> {
    if (this.#underWay === undefined) return undefined;
    const { bundle, phase } = this.#underWay;
    const done =
      phase === "installing" ? partDone(await tail(this.#parts.said)) : this.#underWay.done;
    return { bundle, phase, ...(done !== undefined && { done }) };
  }

  /** How the last one ended, since the node's start. */
  get last(): LastUpdate | undefined {
    return this.#last;
  }

  /** @throws Fault `update` */
  #beginFetching(
    { bundle, sha256, allow_downgrade }: Named,
    signed?: string,
  ): { readonly started: true } {
    this.#occupy(bundle, "fetching");
    const bring = async () => {
      await this.#cleaned;
      await this.#folder.prepare();
      await this.#fetch(bundle);
    };
    this.#carryOut({ bundle, sha256, allowance: allow_downgrade ? signed : undefined, bring });
    return { started: true };
  }

  /** @throws Fault `update` */
  #occupy(bundle: string, phase: Phase): void {
    if (this.#underWay !== undefined) throw new Fault("update", "another update is under way");
    this.#underWay = { bundle, phase, done: undefined };
    this.#parts.log.info("update begins", { bundle });
  }

  #phase(phase: Phase, done?: number): void {
    if (this.#underWay === undefined) return;
    this.#underWay.phase = phase;
    this.#underWay.done = done;
  }

  #carryOut(work: Work): void {
    const { onEnd, log, clock } = this.#parts;
    const { bundle } = work;
    this.#install(work)
      .then(
        () => undefined,
        (error) => describe(error),
      )
      .then((refused) => {
        this.#underWay = undefined;
        this.#last = {
          bundle,
          status: refused === undefined ? "installed" : "refused",
          ...(refused !== undefined && { reason: refused }),
          t: new Date(clock.wall()).toISOString(),
        };
        if (refused === undefined) log.info("update installed", { bundle });
        else log.warn("update refused", { bundle, why: refused });
        onEnd(bundle, refused);
      });
  }

  async #install(work: Work): Promise<void> {
    try {
      await work.bring();
      this.#phase("checking");
      const sha256 = await this.#folder.hash();
      if (work.sha256 !== undefined && work.sha256 !== sha256) {
        throw new Fault("update", "the bundle has another SHA-256 than the command says");
      }
      await this.#ask({ sha256, allowance: work.allowance });
    } finally {
      // It is on the other slot now, or no good.
      await this.#folder.remove().catch(() => {});
    }
  }

  /** Has root install the node's own copy. @throws Fault `update` if it does not */
  async #ask({ sha256, allowance = "" }: Request): Promise<void> {
    const { requests, result, said, clock } = this.#parts;
    await mkdir(requests, { recursive: true });
    await Promise.all([result, said].map((old) => rm(old, { force: true }).catch(() => {})));
    await writeFile(join(requests, "request.new"), `${sha256}\n${allowance}\n`);
    const before = await modified(result);
    await rename(join(requests, "request.new"), join(requests, "request"));
    this.#phase("installing");
    const deadline = clock.now() + installMs;
    while (clock.now() < deadline) {
      await delay(clock, lookMs);
      const now = await modified(result);
      // The answer to an earlier request is taken away before the one to this is there.
      if (now === before || now === 0) continue;
      const [told = "", of] = (await readFile(result, "utf8")).split("\n");
      // One that a process before this one asked for.
      if (of !== sha256) continue;
      if (told === "installed") return;
      throw new Fault("update", told.replace(/^refused: /, ""));
    }
    throw new Fault("update", "nobody answered", { limit_ms: installMs });
  }

  /** @throws Fault `update`, system errors */
  async #fetch(bundle: string): Promise<void> {
    if (!bundle.startsWith("https://")) return this.#folder.copy(bundle, mostBytes);
    const { trust, clock } = this.#parts;
    const onBytes = (bytes: number, all: number | undefined) =>
      this.#phase("fetching", all === undefined ? undefined : bytes / all);
    const options = { trust: trust(), maxBytes: mostBytes, clock, onBytes };
    await download(bundle, this.#folder.bundle, options);
  }
}

function parse<T>(schema: v.GenericSchema<unknown, T>, args: unknown): T {
  const parsed = v.safeParse(schema, args);
  if (parsed.success) return parsed.output;
  throw new Fault("update", `bad argument ${v.getDotPath(parsed.issues[0]) ?? ""}`.trim());
}

/** The end of a file; empty if it is not there. */
async function tail(path: string): Promise<string> {
  try {
    const file = await open(path);
    try {
      const { size } = await file.stat();
      const from = Math.max(0, size - tailBytes);
      const { buffer, bytesRead } = await file.read(Buffer.alloc(tailBytes), 0, tailBytes, from);
      return buffer.toString("latin1", 0, bytesRead);
    } finally {
      await file.close();
    }
  } catch {
    return "";
  }
}

/** When a file was changed last, ms; 0 if it is not there. */
async function modified(file: string): Promise<number> {
  try {
    return (await stat(file)).mtimeMs;
  } catch {
    return 0;
  }
}
