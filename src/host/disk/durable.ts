/**
 * Two generations of a small JSON document on disk. Each has a header line with format version,
 * generation and SHA-256 of the rest, and is replaced as a whole by a rename, which a power cut
 * cannot tear; the two are written in turn. So a damaged, missing or too old file is a lost
 * generation, never a write that was cut.
 */
import { createHash } from "node:crypto";
import { errorCode, Fault } from "../../base/errors.ts";
import { type FileSystem, readWhole, replaceFile } from "./files.ts";

/** Small state is small: a longer file is not ours. */
const maxLength = 1_048_576;
const formatName = "qkd-node-state/1";

interface Generation {
  readonly number: number;
  readonly text: string;
}

/** What one of the two files holds. `newer`: written by a version that this one does not know. */
type Found = Generation | "missing" | "damaged" | "newer" | Unreadable;

/** It cannot be read: which counts if the other is no good either. */
class Unreadable {
  readonly why: Fault;

  constructor(why: Fault) {
    this.why = why;
  }
}

/** One of the two files does not hold the generation that it must. */
export interface LostGeneration {
  /** Name of the file, without its folder. */
  readonly file: string;
  readonly why: "damaged" | "missing" | "older than it must be";
}

export interface Stored {
  /** The newest undamaged generation. */
  readonly text: string;
  /** The other one was lost: what it said last is not in `text` if it was newer. */
  readonly lost: LostGeneration | undefined;
}

function encode(generation: Generation): Buffer {
  const digest = createHash("sha256").update(generation.text).digest("hex");
  return Buffer.from(`${formatName} ${generation.number} ${digest}\n${generation.text}\n`);
}

function decode(bytes: Buffer): Exclude<Found, Unreadable> {
  const text = bytes.toString("utf8");
  const end = text.indexOf("\n");
  const header = /^qkd-node-state\/(\d+) (\d+) ([0-9a-f]{64})$/.exec(text.slice(0, end));
  if (header === null || !text.endsWith("\n")) return "damaged";
  if (Number(header[1]) > 1) return "newer";
  const body = text.slice(end + 1, -1);
  if (createHash("sha256").update(body).digest("hex") !== header[3]) return "damaged";
  return { number: Number(header[2]), text: body };
}

/** The number of the generation that a text was written as; undefined if the text does not say. */
export type Claim = (text: string) => number | undefined;

/** @param newest number of the newest generation that is good @param other the other file */
function whyLost(newest: number, other: Found): LostGeneration["why"] | undefined {
  if (other === "damaged" || other instanceof Unreadable) return "damaged";
  // The first generation that was ever written is alone until the second is.
  if (other === "missing") return newest === 1 ? undefined : other;
  if (typeof other !== "object") return undefined;
  return other.number === newest - 1 ? undefined : "older than it must be";
}

export class DurableText {
  readonly #files: FileSystem;
  readonly #folder: string;
  readonly #name: string;
  readonly #claim: Claim;
  #generation: number | undefined;

  /**
   * @param name file name without ending; the two files are `NAME.0` and `NAME.1`
   * @param claim the header's number has no checksum: a text that names another is damaged
   */
  constructor(files: FileSystem, folder: string, name: string, claim: Claim) {
    this.#files = files;
    this.#folder = folder;
    this.#name = name;
    this.#claim = claim;
  }

  /**
   * The newest undamaged generation; undefined only where neither file exists, that is before the
   * first write.
   * @throws Fault `state.corrupt`, also when a later version of the node wrote it; `state.io` if neither is good
   *   and one can't be read; `state.owner`
   */
  async read(): Promise<Stored | undefined> {
    const found = await Promise.all([this.#load(0), this.#load(1)]);
    if (found.includes("newer")) {
      throw this.#corrupt("state was written by a later version of the node");
    }
    const good = found.filter(
      (file): file is Generation => typeof file === "object" && !(file instanceof Unreadable),
    );
    good.sort((a, b) => b.number - a.number);
    const newest = good[0];
    const unreadable = found.find((file) => file instanceof Unreadable);
    if (newest === undefined && unreadable !== undefined) throw unreadable.why;
    if (newest === undefined && found.includes("damaged")) {
      throw this.#corrupt("state is damaged in both generations");
    }
    this.#generation = newest?.number ?? 0;
    if (newest === undefined) return undefined;
    const which = found.indexOf(newest) === 0 ? 1 : 0;
    const why = whyLost(newest.number, found[which] as Found);
    const lost = why && { file: `${this.#name}.${which}`, why };
    return { text: newest.text, lost };
  }

  /**
   * Writes a new generation in place of the older one.
   * @param text of a generation by its number
   * @param both in place of the newer one as well, so that the loss of either file loses nothing
   * @throws Fault `state.io`; the text before it, or this one, is there then
   */
  async write(text: (generation: number) => string, both: boolean): Promise<void> {
    if (this.#generation === undefined) await this.read();
    await this.#replaceOlder(text);
    if (both) await this.#replaceOlder(text);
  }

  /** Keeps what a lost generation left behind, for a person to look at. Never rejects. */
  async setAside({ file }: LostGeneration): Promise<void> {
    const path = `${this.#folder}/${file}`;
    await this.#files.rename(path, `${path}.damaged`).catch(() => {});
  }

  async #replaceOlder(text: (generation: number) => string): Promise<void> {
    const number = (this.#generation ?? 0) + 1;
    const bytes = encode({ number, text: text(number) });
    try {
      await replaceFile(this.#files, this.#path(number % 2), bytes);
    } catch (error) {
      throw this.#io("cannot write state", error, number % 2);
    }
    this.#generation = number;
  }

  #path(which: number): string {
    return `${this.#folder}/${this.#name}.${which}`;
  }

  async #load(which: number): Promise<Found> {
    try {
      const bytes = await readWhole(this.#files, this.#path(which), maxLength);
      if (bytes === undefined) return "missing";
      const found = decode(bytes);
      if (typeof found !== "object") return found;
      return (this.#claim(found.text) ?? found.number) === found.number ? found : "damaged";
    } catch (error) {
      if (error instanceof RangeError) return "damaged";
      // Of another user: what else is changed there is not known.
      if (error instanceof Fault) throw error;
      return new Unreadable(this.#io("cannot read state", error, which));
    }
  }

  #corrupt(message: string): Fault {
    return new Fault("state.corrupt", message, { file: this.#path(0) });
  }

  #io(message: string, error: unknown, which: number): Fault {
    return new Fault("state.io", message, {
      file: this.#path(which),
      code: errorCode(error) ?? "unknown",
    });
  }
}
