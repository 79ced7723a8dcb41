/**
 * Updates of an appliance, as far as the node has a part in them: it fetches the bundle that a signed
 * command names, and asks for it to be installed. Who installs runs as root, checks who signed the bundle,
 * and takes nothing from the node but a file's name.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { isAbsolute, join } from "node:path";
import { pipeline } from "node:stream/promises";
import * as v from "valibot";
import { type Clock, delay } from "../port/clock.ts";
import { describe, Fault } from "../port/errors.ts";
import type { Log } from "../port/log.ts";
import { download } from "./download.ts";

const argsSchema = v.strictObject({
  /** Where the bundle is: `https://…`, or an absolute path in the node's state folder. */
  bundle: v.pipe(v.string(), v.maxLength(2_048)),
  /** Of the bundle, 64 hexadecimal digits. */
  sha256: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
  /** An older version than the one that runs may be installed, this once. */
  allow_downgrade: v.optional(v.boolean(), false),
});

export type UpdateArgs = v.InferOutput<typeof argsSchema>;

export interface UpdaterParts {
  /** The node's state folder: only bundles in it are ever installed. */
  readonly stateFolder: string;
  /** Where requests are put for who installs. */
  readonly requests: string;
  /** What became of a request. */
  readonly result: string;
  /** PEM of who may have issued the server's certificate; undefined: the system's. */
  readonly ca: () => string | undefined;
  readonly clock: Clock;
  readonly log: Log;
  /** It is over: installed, or why not. */
  readonly onEnd: (bundle: string, refused: string | undefined) => void;
}

/** A bundle of today has 110 MB, bytes. */
const maxBytes = 512 * 1_048_576;
/** Writing two partitions takes a minute on slow flash, ms. */
const installMs = 30 * 60_000;
const lookMs = 500;

export class Updater {
  readonly #parts: UpdaterParts;
  #running = false;

  constructor(parts: UpdaterParts) {
    this.#parts = parts;
  }

  /**
   * Begins to fetch and install; how it ends is told by `onEnd`.
   * @throws Fault `update` if the arguments are no good, or another update is under way
   */
  begin(args: unknown): { readonly started: true } {
    const parsed = v.safeParse(argsSchema, args);
    if (!parsed.success) {
      const [issue] = parsed.issues;
      throw new Fault("update", `bad argument ${v.getDotPath(issue) ?? ""}`.trim());
    }
    if (this.#running) throw new Fault("update", "another update is under way");
    this.#running = true;
    const { onEnd, log } = this.#parts;
    const { bundle } = parsed.output;
    log.info("update begins", { bundle });
    this.#install(parsed.output)
      .then(
        () => undefined,
        (error) => describe(error),
      )
      .then((refused) => {
        this.#running = false;
        if (refused === undefined) log.info("update installed", { bundle });
        else log.warn("update refused", { bundle, why: refused });
        onEnd(bundle, refused);
      });
    return { started: true };
  }

  async #install(args: UpdateArgs): Promise<void> {
    const { requests, result, clock, stateFolder } = this.#parts;
    const file = join(stateFolder, "update.raucb");
    await this.#fetch(args, file);
    await mkdir(requests, { recursive: true });
    await rm(result, { force: true }).catch(() => {});
    const request = `${file}\n${args.allow_downgrade ? "allow-downgrade" : ""}\n`;
    await writeFile(join(requests, "request.new"), request);
    const before = await modified(result);
    await rename(join(requests, "request.new"), join(requests, "request"));
    const deadline = clock.now() + installMs;
    while (clock.now() < deadline) {
      await delay(clock, lookMs);
      const now = await modified(result);
      // The answer to an earlier request is taken away before the one to this is there.
      if (now === before || now === 0) continue;
      const said = (await readFile(result, "utf8")).trim();
      if (said === "installed") return;
      throw new Fault("update", said.replace(/^refused: /, ""));
    }
    throw new Fault("update", "nobody answered", { limit_ms: installMs });
  }

  /** Leaves the bundle in `file`, and nothing there if it is not the one that is meant. */
  async #fetch({ bundle, sha256 }: UpdateArgs, file: string): Promise<void> {
    const { stateFolder, ca } = this.#parts;
    if (bundle.startsWith("https://")) {
      await download(bundle, file, { ca: ca(), maxBytes });
    } else if (isAbsolute(bundle) && bundle.startsWith(`${stateFolder}/`)) {
      if (bundle !== file) await rename(bundle, file);
    } else {
      throw new Fault("update", "a bundle is at https:// or in the state folder", {
        source: stateFolder,
      });
    }
    const hash = createHash("sha256");
    await pipeline(createReadStream(file), hash);
    if (hash.digest("hex") === sha256) return;
    await rm(file, { force: true });
    throw new Fault("update", "the bundle has another SHA-256 than the command says");
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
