/**
 * Two generations of a small JSON document on disk. Each has a header line with format version,
 * generation and SHA-256 of the rest, and is replaced as a whole; the two are written in turn, so
 * that whatever happens to one, the other is there.
 */
import { createHash } from "node:crypto";
import { errorCode, Fault } from "../port/errors.ts";
import { type FileSystem, readWhole, replaceFile } from "./files.ts";

/** Small state is small: a longer file is not ours. */
const maxLength = 1_048_576;
const formatName = "qkd-node-state/1";

interface Generation {
  readonly number: number;
  readonly text: string;
}

/** What one of the two files holds. `newer`: written by a version that this one does not know. */
type Found = Generation | "missing" | "damaged" | "newer";

function encode(generation: Generation): Buffer {
  const digest = createHash("sha256").update(generation.text).digest("hex");
  return Buffer.from(`${formatName} ${generation.number} ${digest}\n${generation.text}\n`);
}

function decode(bytes: Buffer): Found {
  const text = bytes.toString("utf8");
  const end = text.indexOf("\n");
  const header = /^qkd-node-state\/(\d+) (\d+) ([0-9a-f]{64})$/.exec(text.slice(0, end));
  if (header === null || !text.endsWith("\n")) return "damaged";
  if (Number(header[1]) > 1) return "newer";
  const body = text.slice(end + 1, -1);
  if (createHash("sha256").update(body).digest("hex") !== header[3]) return "damaged";
  return { number: Number(header[2]), text: body };
}

export class DurableText {
  readonly #files: FileSystem;
  readonly #folder: string;
  readonly #name: string;
  #generation: number | undefined;

  /** @param name file name without ending; the two files are `NAME.0` and `NAME.1` */
  constructor(files: FileSystem, folder: string, name: string) {
    this.#files = files;
    this.#folder = folder;
    this.#name = name;
  }

  /**
   * The newest undamaged text; undefined only where neither file exists, that is before the first
   * write.
   * @throws Fault `state.corrupt`, also when a later version of the node wrote it; `state.io`
   */
  async read(): Promise<string | undefined> {
    const found = await Promise.all([this.#load(0), this.#load(1)]);
    if (found.includes("newer")) {
      throw this.#corrupt("state was written by a later version of the node");
    }
    const good = found.filter((file): file is Generation => typeof file === "object");
    good.sort((a, b) => b.number - a.number);
    const newest = good[0];
    if (newest === undefined && found.includes("damaged")) {
      throw this.#corrupt("state is damaged in both generations");
    }
    this.#generation = newest?.number ?? 0;
    return newest?.text;
  }

  /** @throws Fault `state.io`; the text before it is still there then */
  async write(text: string): Promise<void> {
    if (this.#generation === undefined) await this.read();
    const number = (this.#generation ?? 0) + 1;
    try {
      await replaceFile(this.#files, this.#path(number % 2), encode({ number, text }));
    } catch (error) {
      throw this.#io("cannot write state", error);
    }
    this.#generation = number;
  }

  #path(which: number): string {
    return `${this.#folder}/${this.#name}.${which}`;
  }

  async #load(which: number): Promise<Found> {
    try {
      const bytes = await readWhole(this.#files, this.#path(which), maxLength);
      return bytes === undefined ? "missing" : decode(bytes);
    } catch (error) {
      if (error instanceof RangeError) return "damaged";
      if (error instanceof Fault) throw error;
      throw this.#io("cannot read state", error);
    }
  }

  #corrupt(message: string): Fault {
    return new Fault("state.corrupt", message, { file: this.#path(0) });
  }

  #io(message: string, error: unknown): Fault {
    return new Fault("state.io", message, {
      file: this.#path(0),
      code: errorCode(error) ?? "unknown",
    });
  }
}
