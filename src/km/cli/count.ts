/** Numbers of things, for people. Pure. */
import { whole } from "../../host/terminal/units.ts";

/** `1 key`, `2 keys`. */
export function count(n: number, one: string, many = `${one}s`): string {
  return `${whole(n)} ${n === 1 ? one : many}`;
}
