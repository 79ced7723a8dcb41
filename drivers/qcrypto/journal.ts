/**
 * What the stack said of blocks that are still in the folder, kept beside them in `.notifications`: a
 * pipe says it once, and a node that starts again must put the same QBER to the quality gate as before.
 * No key.
 */
import { join } from "node:path";
import { fileName } from "./file.ts";
import { type Notification, NotificationReader } from "./notification.ts";
import { appendOwn, openOwn, replaceOwn } from "./own-file.ts";

/** Below this length it is not worth while to leave out what is not needed any more, bytes. */
const compactAbove = 262_144;
/** Lines that wait for a disk that takes writes again; beyond it the oldest are given up. */
const maxWaiting = 4_096;
const chunk = 65_536;

function line({ epoch, siftedBits = 0, finalBits = 0, qber = 0 }: Notification): string {
  return `${fileName(epoch)} ${siftedBits} ${finalBits} ${qber} 0\n`;
}

export class Journal {
  readonly #folder: string;
  readonly #path: string;
  /** What is not on disk. */
  #waiting: string[] = [];
  /** One thing after the other is done with the file. */
  #last: Promise<unknown> = Promise.resolve();
  /** Of the file, bytes. */
  #length = 0;
  /** The last write failed, and may have left a part of a line. */
  #torn = false;

  /** What is wrong with the file; keys go on without it. */
  trouble: unknown;

  constructor(folder: string) {
    this.#folder = folder;
    this.#path = join(folder, ".notifications");
  }

  /** Where the next line will be, for {@link compact}. */
  get length(): number {
    return this.#length;
  }

  /** What is known of these blocks; what is said of others is forgotten. */
  load(epochs: ReadonlySet<number>): Promise<Notification[]> {
    return this.#alone(async () => {
      const found = new Map<number, Notification>();
      try {
        await this.#lines((one) => {
          if (epochs.has(one.epoch)) found.set(one.epoch, one);
        });
        await this.#replace([...found.values()]);
      } catch (error) {
        this.trouble = error;
      }
      return [...found.values()];
    });
  }

  /** What is known of these blocks. */
  find(epochs: ReadonlySet<number>): Promise<Notification[]> {
    return this.#alone(async () => {
      const found = new Map<number, Notification>();
      await this.#lines((one) => {
        if (epochs.has(one.epoch)) found.set(one.epoch, one);
      }).catch((error: unknown) => {
        this.trouble = error;
      });
      return [...found.values()];
    });
  }

  /** Keeps what says a QBER. @returns once it is on disk, or cannot be; never rejects */
  add(notifications: readonly Notification[]): Promise<void> {
    return this.#alone(async () => {
      for (const one of notifications) if (one.qber !== undefined) this.#waiting.push(line(one));
      if (this.#waiting.length === 0) return;
      this.#waiting = this.#waiting.slice(-maxWaiting);
      const bytes = Buffer.from(`${this.#torn ? "\n" : ""}${this.#waiting.join("")}`);
      try {
        await appendOwn(this.#path, bytes);
        this.#length += bytes.length;
        this.#waiting = [];
        this.#torn = false;
        this.trouble = undefined;
      } catch (error) {
        this.#torn = true;
        this.trouble = error;
      }
    });
  }

  /**
   * Leaves out what is said of blocks that are gone, if that is worth while.
   * @param epochs of the blocks that are there
   * @param before what was added from this length on is kept in any case
   */
  compact(epochs: ReadonlySet<number>, before: number): Promise<void> {
    return this.#alone(async () => {
      if (this.#length < compactAbove || this.#length < 128 * epochs.size) return;
      const kept: Notification[] = [];
      try {
        await this.#lines((one, at) => {
          if (at >= before || epochs.has(one.epoch)) kept.push(one);
        });
        await this.#replace(kept);
      } catch (error) {
        this.trouble = error;
      }
    });
  }

  async settled(): Promise<void> {
    await this.#last;
  }

  /** @param onLine with about where the line ends, bytes */
  async #lines(onLine: (one: Notification, at: number) => void): Promise<void> {
    const file = await openOwn(this.#path);
    if (file === undefined) return;
    try {
      let at = 0;
      const reader = new NotificationReader((one) => onLine(one, at));
      const bytes = Buffer.alloc(chunk);
      for (;;) {
        const { bytesRead } = await file.read(bytes, 0, chunk, at);
        if (bytesRead === 0) break;
        at += bytesRead;
        reader.push(bytes.subarray(0, bytesRead));
      }
    } finally {
      await file.close();
    }
  }

  async #replace(notifications: readonly Notification[]): Promise<void> {
    const text = notifications.map(line).join("");
    await replaceOwn(this.#folder, this.#path, Buffer.from(text));
    this.#length = text.length;
    this.#torn = false;
  }

  #alone<T>(act: () => Promise<T>): Promise<T> {
    const done = this.#last.then(act);
    this.#last = done.catch(() => {});
    return done;
  }
}
