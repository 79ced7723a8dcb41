/** What a program takes from its machine. The parts of a program are handed it; a test hands them its own. */
import { type Clock, systemClock } from "../base/clock.ts";
import { diskFiles, type FileSystem } from "./disk/files.ts";

export interface Machine {
  readonly clock: Clock;
  /** A number from 0 up to, but not, 1: for schedules, and never for keys. */
  readonly random: () => number;
  readonly files: FileSystem;
}

export const thisMachine: Machine = {
  clock: systemClock,
  random: Math.random,
  files: diskFiles,
};
