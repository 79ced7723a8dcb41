/**
 * The lines that the stack writes to its notification pipe, one a block. How much is on a line depends
 * on the stack's verbosity:
 *
 *     0  b8b5c000                        start epoch, 8 hex digits
 *     1  b8b5c000 12345                  and the bits of the final key
 *     2  b8b5c000 80000 12345 0.0316 5   sifted bits, final bits, QBER, epochs in the block
 *     4  b8b5c000 80000 12345 0.0316 917 the same, but the last figure is leaked bits
 *
 * The last figure means two things and is not used. Pure.
 */

export interface Notification {
  /** Start epoch, 32 bits; counts 2^29 ns. */
  readonly epoch: number;
  readonly siftedBits?: number;
  readonly finalBits?: number;
  /** 0 to 1. */
  readonly qber?: number;
}

const pattern =
  /^([0-9a-f]{8})(?: (\d{1,10})(?: (\d{1,10}) (\d{1,3}(?:\.\d{1,17})?(?:e-\d{1,2})?) \d{1,10})?)?$/;
/** No line of the stack is longer, bytes. */
const maxLine = 128;
const lineFeed = 10;

/** Reads one line, without its line feed; undefined if it is none of the stack's. */
export function parseNotification(line: string): Notification | undefined {
  // After a restart of the stack a line may begin with NUL bytes.
  const found = pattern.exec(line.replace(/^\0+/, "").trimEnd());
  if (found === null) return undefined;
  const [, hex = "", first, second, ratio] = found;
  const epoch = Number.parseInt(hex, 16);
  if (first === undefined) return { epoch };
  if (second === undefined) return { epoch, finalBits: Number(first) };
  const qber = Number(ratio);
  return {
    epoch,
    siftedBits: Number(first),
    finalBits: Number(second),
    ...(qber <= 1 && { qber }),
  };
}

/** Cuts what comes out of the pipe into lines; holds less than a line, whatever comes. */
export class NotificationReader {
  /** Lines that were none of the stack's. */
  odd = 0;
  readonly #line = Buffer.alloc(maxLine);
  #length = 0;
  #tooLong = false;
  readonly #onNotification: (notification: Notification) => void;

  constructor(onNotification: (notification: Notification) => void) {
    this.#onNotification = onNotification;
  }

  push(chunk: Buffer): void {
    for (const byte of chunk) {
      if (byte === lineFeed) this.#end();
      else if (byte === 0 && this.#length === 0) continue;
      else if (this.#length === maxLine) this.#tooLong = true;
      else this.#line[this.#length++] = byte;
    }
  }

  #end(): void {
    const line = this.#line.toString("latin1", 0, this.#length);
    const found = this.#tooLong ? undefined : parseNotification(line);
    this.#length = 0;
    this.#tooLong = false;
    if (found !== undefined) this.#onNotification(found);
    else if (line !== "") this.odd++;
  }
}
