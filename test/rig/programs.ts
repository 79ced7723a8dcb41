/**
 * The programs as tests and tools of the project start them: from the clone, or as built for production
 * where `QKD_PROGRAMS` names the build's folder. `npm test` makes one for its run: a built program starts
 * with half of the work.
 */
import { join } from "node:path";

const scripts = join(import.meta.dirname, "../../scripts");

export type Program =
  | "qkd-node"
  | "qkd-km"
  | "qkd-controller"
  | "qkd-psk"
  | "qkd-panel"
  | "qkd-image";

/** @returns the path of a launcher, e.g. of `qkd-node` */
export function programPath(name: Program): string {
  const built = process.env.QKD_PROGRAMS;
  return built === undefined ? join(scripts, name) : join(built, "qkd-node/bin", name);
}
