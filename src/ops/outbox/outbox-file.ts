/** The outbox's file: reading it back after a restart, one record, and making it anew. */
import { type FileSystem, type OpenFile, writeAll } from "../../host/disk/files.ts";
import type { Waiting } from "./outbox-queue.ts";
import {
  decodeRecord,
  encodeRecord,
  headLength,
  longestRecord,
  mayBeTorn,
  nextMark,
  type OutboxRecord,
} from "./outbox-record.ts";

/** The file is read and written this much at a time, bytes: an outbox of a day must not be in memory. */
const chunk = 262_144;

export interface OpenedLog {
  readonly file: OpenFile;
  /** Where the next record goes. */
  readonly end: number;
  /** Oldest first, without their payloads. */
  readonly waiting: readonly Waiting[];
  /** Bytes that are no record, a torn tail not among them. */
  readonly damaged: number;
  /** There was none. */
  readonly made: boolean;
}

/** Opens the file, or makes it. A torn tail is cut. @throws a system error */
export async function openLog(files: FileSystem, path: string): Promise<OpenedLog> {
  let file: OpenFile;
  let made = false;
  try {
    file = await files.open(path, "r+", 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    made = true;
    file = await files.open(path, "wx+", 0o600);
    await files.syncFolder(path.slice(0, path.lastIndexOf("/")) || "/");
  }
  try {
    const found = await scan(file);
    const { size } = await file.stat();
    if (found.end < size) {
      await file.truncate(found.end);
      await file.datasync();
    }
    return { file, made, ...found };
  } catch (error) {
    await file.close().catch(() => {});
    throw error;
  }
}

async function scan(file: OpenFile): Promise<Omit<OpenedLog, "file" | "made">> {
  const { size } = await file.stat();
  const window = Buffer.alloc(chunk + longestRecord);
  const waiting = new Map<number, Waiting>();
  let end = 0;
  let filled = 0;
  let base = 0;
  let intact = 0;
  /** No record is in it, nor the begin of one: it is not the outbox's file any more. */
  let another = false;
  for (;;) {
    const { bytesRead } = await file.read(window, filled, window.length - filled, base + filled);
    filled += bytesRead;
    const bytes = window.subarray(0, filled);
    const last = bytesRead === 0 || base + filled >= size;
    if (base === 0) another = !mayBeTorn(bytes);
    let at = 0;
    while (at < filled) {
      const record = decodeRecord(bytes, at);
      if (record === "more" && !last) break;
      if (typeof record !== "object") {
        at = nextMark(bytes, at + 1);
        continue;
      }
      take(waiting, record, base);
      at += record.length;
      intact += record.length;
      end = base + at;
      another = false;
    }
    if (last) break;
    bytes.copy(window, 0, at);
    filled -= at;
    base += at;
  }
  const damaged = another ? size : end - intact;
  return { end, waiting: [...waiting.values()], damaged };
}

function take(waiting: Map<number, Waiting>, record: OutboxRecord, base: number): void {
  const { kind, id, at, length } = record;
  if (kind === "gone") waiting.delete(id);
  else {
    const kept = kind === "kept";
    waiting.set(id, { id, kept, at: base + at, length, payload: undefined, gone: false });
  }
}

/** The payload of one event; undefined if its record is damaged. @throws a system error */
export async function readRecord(file: OpenFile, item: Waiting): Promise<Buffer | undefined> {
  const bytes = Buffer.alloc(item.length);
  let at = 0;
  while (at < bytes.length) {
    const { bytesRead } = await file.read(bytes, at, bytes.length - at, item.at + at);
    if (bytesRead === 0) return undefined;
    at += bytesRead;
  }
  const record = decodeRecord(bytes, 0);
  if (typeof record !== "object" || record.id !== item.id) return undefined;
  return bytes.subarray(headLength);
}

export interface RewrittenLog {
  readonly file: OpenFile;
  /** Where each event is now. Those that could not be read from the old file are not in it. */
  readonly places: ReadonlyMap<Waiting, number>;
  readonly end: number;
}

/** Writes what waits into a new file, which then replaces the old one. @throws a system error */
export async function rewriteLog(
  files: FileSystem,
  path: string,
  items: readonly Waiting[],
  old: OpenFile,
): Promise<RewrittenLog> {
  const temporary = `${path}.new`;
  await files.remove(temporary);
  const file = await files.open(temporary, "wx+", 0o600);
  try {
    const places = new Map<Waiting, number>();
    let end = 0;
    let batch: Buffer[] = [];
    let size = 0;
    const flush = async () => {
      await writeAll(file, Buffer.concat(batch), end - size);
      batch = [];
      size = 0;
    };
    for (const item of items) {
      const payload =
        item.payload ??
        (item.at < 0 ? undefined : await readRecord(old, item).catch(() => undefined));
      if (payload === undefined) continue;
      const record = encodeRecord(item.kept ? "kept" : "routine", item.id, payload);
      places.set(item, end);
      batch.push(record);
      size += record.length;
      end += record.length;
      if (size >= chunk) await flush();
    }
    await flush();
    await file.datasync();
    await files.rename(temporary, path);
    await files.syncFolder(path.slice(0, path.lastIndexOf("/")) || "/");
    return { file, places, end };
  } catch (error) {
    await file.close().catch(() => {});
    throw error;
  }
}
