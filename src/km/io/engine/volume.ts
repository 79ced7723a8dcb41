/** A file of sealed extents. */
import { durableWrites, type FileSystem, type OpenFile } from "../../../host/disk/files.ts";
import type { Place } from "./place.ts";

export interface Volume {
  readonly number: number;
  /** For all but its end: many small writes can share a sync. */
  readonly file: OpenFile;
  /** The same file while extents are written to it: each write is durable. */
  end?: OpenFile | undefined;
  size: number;
  live: number;
  places: Set<Place>;
  /** Extents in it that are written, and of which the books do not know yet. */
  pending: number;
}

/** For new stock, or for what is sealed anew beside it: each has a volume that it writes to, and so no other's bytes. */
export type For = "stock" | "aside";

/** Extents that are sealed, and not written yet. */
export interface Writing {
  /** Where they are when they are written: each is to be given to `install` of the volumes, or `abandon`. */
  readonly places: readonly Place[];
  /** Writes them, and makes them durable; any number of times, until others are prepared. @throws a system error */
  readonly write: () => Promise<void>;
  /** They will not be written. */
  readonly takeBack: () => Promise<void>;
}

/** Makes a file for extents, whose name is durable. @throws a system error: nothing is open then */
export async function beginVolume(
  files: FileSystem,
  folder: string,
  path: string,
): Promise<{ readonly file: OpenFile; readonly end: OpenFile }> {
  const file = await files.open(path, "wx+", 0o600);
  let end: OpenFile | undefined;
  try {
    end = await files.open(path, durableWrites, 0o600);
    await files.syncFolder(folder);
    return { file, end };
  } catch (error) {
    await end?.close();
    await file.close();
    throw error;
  }
}
