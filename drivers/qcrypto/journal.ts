/**
 * What the stack said of blocks that are still in the folder, kept beside them in `.notifications`: a
 * node that starts again must put the same QBER to the quality gate as before. No key, and nothing
 * that could not be lost: without it a block has no QBER.
 */
import { appendFile, open, rename } from "node:fs/promises";
import { join } from "node:path";
import { fileName } from "./file.ts";
import { type Notification, NotificationReader } from "./notification.ts";

const maxLength = 1_048_576;
/** Lines that may wait to be written. */
const maxWaiting = 4_096;

function line({ epoch, siftedBits = 0, finalBits = 0, qber = 0 }: Notification): string {
  return `${fileName(epoch)} ${siftedBits} ${finalBits} ${qber} 0\n`;
}

export class Journal {
  readonly #path: string;
  readonly #onTrouble: (error: unknown) => void;
  #waiting: string[] = [];
  #writing: Promise<void> | undefined;

  /** @param onTrouble told what went wrong with writing; keys go on without it */
  constructor(folder: string, onTrouble: (error: unknown) => void) {
    this.#path = join(folder, ".notifications");
    this.#onTrouble = onTrouble;
  }

  /** What is known of these blocks; what is said of others is forgotten. */
  async load(epochs: ReadonlySet<number>): Promise<Notification[]> {
    const found = new Map<number, Notification>();
    try {
      const file = await open(this.#path, "r");
      try {
        const bytes = Buffer.alloc(Math.min(maxLength, (await file.stat()).size));
        const { bytesRead } = await file.read(bytes, 0, bytes.length, 0);
        const reader = new NotificationReader((one) => {
          if (epochs.has(one.epoch)) found.set(one.epoch, one);
        });
        reader.push(bytes.subarray(0, bytesRead));
      } finally {
        await file.close();
      }
      await this.#replace([...found.values()]);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") this.#onTrouble(error);
    }
    return [...found.values()];
  }

  /** Keeps what is worth it; returns at once. */
  add(notification: Notification): void {
    if (notification.qber === undefined || this.#waiting.length >= maxWaiting) return;
    this.#waiting.push(line(notification));
    this.#writing ??= this.#write();
  }

  async settled(): Promise<void> {
    await this.#writing;
  }

  async #write(): Promise<void> {
    while (this.#waiting.length > 0) {
      const lines = this.#waiting.splice(0).join("");
      await appendFile(this.#path, lines, { mode: 0o600, flush: true }).catch(this.#onTrouble);
    }
    this.#writing = undefined;
  }

  async #replace(notifications: readonly Notification[]): Promise<void> {
    const temporary = `${this.#path}.new`;
    const file = await open(temporary, "w", 0o600);
    try {
      await file.writeFile(notifications.map(line).join(""));
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, this.#path);
  }
}
