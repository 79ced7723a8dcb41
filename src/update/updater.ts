/**
 * Updates of an appliance, as far as the node has a part in them: it fetches the bundle that a command
 * names, or takes it from who stands at the machine, and asks for it to be installed. Who installs runs
 * as root, checks who signed the bundle, and takes nothing from the node but a file's name.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, open, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { isAbsolute, join } from "node:path";
import { pipeline } from "node:stream/promises";
import * as v from "valibot";
import { type Clock, delay } from "../port/clock.ts";
import { describe, Fault } from "../port/errors.ts";
import type { Log } from "../port/log.ts";
import { download } from "./download.ts";
import { type LastUpdate, type Phase, partDone, type UnderWay } from "./slots.ts";

/** A bundle of today has 110 MB, bytes. */
export const mostBytes = 512 * 1_048_576;

const sha256 = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));
/** An older version than the one that runs may be installed, this once. */
const allow_downgrade = v.optional(v.boolean(), false);

const argsSchema = v.strictObject({
  /** Where the bundle is: `https://…`, or an absolute path in the node's state folder. */
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
  /** The node's state folder: only bundles in it are ever installed. */
  readonly stateFolder: string;
  /** Where requests are put for who installs. */
  readonly requests: string;
  /** What became of a request. */
  readonly result: string;
  /** What RAUC has printed so far. */
  readonly said: string;
  /** PEM of who may have issued the server's certificate; undefined: the system's. */
  readonly ca: () => string | undefined;
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
  readonly allowDowngrade: boolean;
  readonly sha256: string | undefined;
  /** Brings the bundle to where it is installed from. */
  readonly bring: (file: string) => Promise<void>;
}

/** Writing two partitions takes a minute on slow flash, ms. */
const installMs = 30 * 60_000;
const lookMs = 500;
/** Of what RAUC printed only the end is of interest, bytes. */
const tailBytes = 4_096;

export class Updater {
  readonly #parts: UpdaterParts;
  #underWay: { bundle: string; phase: Phase; done: number | undefined } | undefined;
  #last: LastUpdate | undefined;

  constructor(parts: UpdaterParts) {
    this.#parts = parts;
  }

  /**
   * Begins to fetch and install what a manager's command names; how it ends is told by `onEnd`.
   * @throws Fault `update` if the arguments are no good, or another update is under way
   */
  begin(args: unknown): { readonly started: true } {
    return this.#beginFetching(parse(argsSchema, args));
  }

  /**
   * The same for who stands at the machine. Resolves when it has begun: a bundle that is sent is there
   * by then, and whole.
   * @throws Fault `update`; what `receive` throws
   */
  async beginLocal(args: unknown, receive: Receive): Promise<{ readonly started: true }> {
    const parsed = parse(localSchema, args);
    if ("bundle" in parsed) return this.#beginFetching(parsed);
    const { bytes, sha256, allow_downgrade: allowDowngrade } = parsed;
    const bundle = "a local file";
    this.#occupy(bundle, "receiving");
    const file = this.#file;
    try {
      await receive(bytes, file, (received) => this.#phase("receiving", received / bytes));
    } catch (error) {
      this.#underWay = undefined;
      await rm(file, { force: true }).catch(() => {});
      throw error;
    }
    this.#carryOut({ bundle, sha256, allowDowngrade, bring: async () => {} });
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

  get #file(): string {
    return join(this.#parts.stateFolder, "update.raucb");
  }

  /** @throws Fault `update` */
  #beginFetching({ bundle, sha256, allow_downgrade: allowDowngrade }: Named): {
    readonly started: true;
  } {
    this.#occupy(bundle, "fetching");
    const bring = (file: string) => this.#fetch(bundle, file);
    this.#carryOut({ bundle, sha256, allowDowngrade, bring });
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
    const { requests, result, said, clock } = this.#parts;
    const file = this.#file;
    await work.bring(file);
    this.#phase("checking");
    await compare(file, work.sha256);
    await mkdir(requests, { recursive: true });
    await Promise.all([result, said].map((old) => rm(old, { force: true }).catch(() => {})));
    const request = `${file}\n${work.allowDowngrade ? "allow-downgrade" : ""}\n`;
    await writeFile(join(requests, "request.new"), request);
    const before = await modified(result);
    await rename(join(requests, "request.new"), join(requests, "request"));
    this.#phase("installing");
    const deadline = clock.now() + installMs;
    while (clock.now() < deadline) {
      await delay(clock, lookMs);
      const now = await modified(result);
      // The answer to an earlier request is taken away before the one to this is there.
      if (now === before || now === 0) continue;
      // It is on the other slot now, or no good.
      await rm(file, { force: true }).catch(() => {});
      const told = (await readFile(result, "utf8")).trim();
      if (told === "installed") return;
      throw new Fault("update", told.replace(/^refused: /, ""));
    }
    throw new Fault("update", "nobody answered", { limit_ms: installMs });
  }

  async #fetch(bundle: string, file: string): Promise<void> {
    const { stateFolder, ca } = this.#parts;
    if (bundle.startsWith("https://")) {
      const onBytes = (bytes: number, all: number | undefined) =>
        this.#phase("fetching", all === undefined ? undefined : bytes / all);
      await download(bundle, file, { ca: ca(), maxBytes: mostBytes, onBytes });
    } else if (isAbsolute(bundle) && bundle.startsWith(`${stateFolder}/`)) {
      if (bundle !== file) await rename(bundle, file);
    } else {
      throw new Fault("update", "a bundle is at https:// or in the state folder", {
        source: stateFolder,
      });
    }
  }
}

function parse<T>(schema: v.GenericSchema<unknown, T>, args: unknown): T {
  const parsed = v.safeParse(schema, args);
  if (parsed.success) return parsed.output;
  throw new Fault("update", `bad argument ${v.getDotPath(parsed.issues[0]) ?? ""}`.trim());
}

/** Leaves nothing in `file` if it is not the one that is meant. @throws Fault `update` */
async function compare(file: string, sha256: string | undefined): Promise<void> {
  if (sha256 === undefined) return;
  const hash = createHash("sha256");
  await pipeline(createReadStream(file), hash);
  if (hash.digest("hex") === sha256) return;
  await rm(file, { force: true });
  throw new Fault("update", "the bundle has another SHA-256 than the command says");
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
