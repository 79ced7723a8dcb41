import { randomBytes } from "node:crypto";

/**
 * Tells this start from every other, also on a disk that was put back: random bits that are never on one. A
 * manager may sign them, so they must not be foreseen.
 * @returns 16 hexadecimal digits
 */
export function newIncarnation(): string {
  return randomBytes(8).toString("hex");
}
