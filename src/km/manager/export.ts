/**
 * Records on their way to the manager: read from their files in pieces, in order, each told at least once. The
 * files are the queue: a broker that is slow or away costs no memory, and what is dropped from them before it was
 * told shows as numbers that are left out. Pure: reading and time are passed in.
 */
import type { Clock, Timer } from "../../base/clock.ts";
import type { Source, StreamItem } from "../../ops/manager/stream.ts";
import { type NumberedRecord, recordMessages } from "./record-messages.ts";

export interface Piece {
  readonly records: readonly NumberedRecord[];
  /** Behind it. */
  readonly position: string | undefined;
}

export interface ExportOptions {
  /** The next piece behind a position; empty: there is no more yet. Never rejects. */
  readonly read: (after: string | undefined, mostBytes: number) => Promise<Piece>;
  /** Where an earlier start of the key manager was. */
  readonly position: string | undefined;
  /** The broker has all up to here. Durable within a while: a piece may be told again after a crash. */
  readonly onTold: (position: string) => void;
  /** So many records are gone that were not told. */
  readonly onLost: (records: number) => void;
  readonly boot: number;
  readonly clock: Clock;
}

/** A piece has groups of records of so many bytes together, or one group. */
const pieceBytes = 131_072;
/** Positions are noted so often at most, ms. */
const noteMs = 1_000;

interface Given extends StreamItem {
  readonly piece: Held;
}

interface Held {
  readonly position: string;
  readonly messages: Iterator<Buffer>;
  /** All of it was given; so many of it are not acknowledged. */
  isGiven: boolean;
  open: number;
}

export class RecordExport implements Source {
  onChange: () => void = () => {};
  readonly #options: ExportOptions;
  /** Behind the last piece that was read. */
  #position: string | undefined;
  /** Number of the record that comes next, if none is gone. */
  #expected: number | undefined;
  /** Pieces of which not all is told, the oldest first: two at most. */
  readonly #pieces: Held[] = [];
  /** Given to the broker and not acknowledged, in order; and those of them that are to be given again. */
  readonly #given = new Set<Given>();
  #again: Given[] = [];
  #reading = false;
  /** Something was written since the last look at the files. */
  #more = true;
  #toNote: string | undefined;
  #note: Timer | undefined;

  constructor(options: ExportOptions) {
    this.#options = options;
    this.#position = options.position;
    const next = Number(options.position?.split(".")[2]);
    this.#expected = Number.isSafeInteger(next) ? next : undefined;
  }

  /** Records were written. */
  written(): void {
    this.#more = true;
    if (this.#pieces.length === 0) void this.#read();
  }

  next(): StreamItem | undefined {
    const again = this.#again.shift();
    if (again !== undefined) return again;
    for (;;) {
      const piece = this.#pieces.find(({ isGiven }) => !isGiven);
      if (piece === undefined) break;
      const { value, done } = piece.messages.next();
      if (done === true) {
        piece.isGiven = true;
        this.#settle();
        continue;
      }
      const item: Given = { payload: value as Buffer, piece };
      piece.open++;
      this.#given.add(item);
      return item;
    }
    void this.#read();
    return undefined;
  }

  done(item: StreamItem): void {
    const given = item as Given;
    if (!this.#given.delete(given)) return;
    given.piece.open--;
    this.#settle();
  }

  /** A broker that never takes it: the number is left out there. */
  drop(item: StreamItem): void {
    this.#options.onLost(1);
    this.done(item);
  }

  rewind(): void {
    this.#again = [...this.#given];
  }

  #settle(): void {
    for (;;) {
      const [first] = this.#pieces;
      if (first === undefined || !first.isGiven || first.open > 0) return;
      this.#pieces.shift();
      this.#toNote = first.position;
      this.#note ??= this.#options.clock.after(noteMs, () => this.flush());
    }
  }

  /** Has the position noted now. */
  flush(): void {
    this.#note?.cancel();
    this.#note = undefined;
    const position = this.#toNote;
    this.#toNote = undefined;
    if (position !== undefined) this.#options.onTold(position);
  }

  /** Numbers that are left out. */
  #goneBefore(records: readonly NumberedRecord[]): number {
    let gone = 0;
    for (const { number } of records) {
      gone += number - (this.#expected ?? number);
      this.#expected = number + 1;
    }
    return gone;
  }

  async #read(): Promise<void> {
    // The next is read while the broker has not acknowledged all of the last.
    if (this.#reading || !this.#more || this.#pieces.length > 1) return;
    this.#reading = true;
    this.#more = false;
    const { read, boot, onLost } = this.#options;
    const { records, position } = await read(this.#position, pieceBytes);
    this.#reading = false;
    if (records.length === 0 || position === undefined) {
      // Something may have been written while it was read.
      if (this.#more) void this.#read();
      return;
    }
    this.#more = true;
    const gone = this.#goneBefore(records);
    if (gone > 0) onLost(gone);
    this.#position = position;
    const messages = recordMessages(records, boot);
    this.#pieces.push({ position, messages, isGiven: false, open: 0 });
    this.onChange();
  }
}
