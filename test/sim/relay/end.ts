/** When all faults of a network are over. */
import type { Line } from "./line.ts";
import type { NetKm } from "./net-km.ts";
import type { NetOracle } from "./oracle.ts";
import { linkName } from "./shape.ts";

interface NetAtEnd {
  readonly kms: ReadonlyMap<string, NetKm>;
  readonly lines: readonly Line[];
  readonly oracle: NetOracle;
}

/** Rule L: nothing hangs, and the books of both ends of every link agree. */
export function compareNet({ kms, lines, oracle }: NetAtEnd): void {
  for (const km of kms.values()) {
    if (km.desk.underWay > 0) oracle.bad("L", `${km.id} has ${km.desk.underWay} relays under way`);
  }
  for (const { ends } of lines) {
    const [a, b] = ends;
    const [x, y] = [a.link(b.id), b.link(a.id)];
    if (x === undefined || y === undefined) continue;
    const name = linkName(a.id, b.id);
    for (const [km, { core }] of [
      [a, x],
      [b, y],
    ] as const) {
      if (core.phase !== "ready") oracle.bad("L", `${name} is ${core.phase} at ${km.id}`);
      if (core.bufferedKeys > 0) oracle.bad("L", `${core.bufferedKeys} keys of ${name} wait`);
      for (const use of core.books.uses.values()) {
        oracle.bad("L", `${name}: ${use.request} is ${use.state} fate ${use.fate} at ${km.id}`);
        break;
      }
    }
    const books = ({ core }: typeof x) =>
      JSON.stringify(
        [...core.books.stock.extents.values()]
          .map(({ number, regions }) => ({ number, regions }))
          .sort((one, other) => one.number - other.number),
      );
    if (books(x) !== books(y)) oracle.bad("L", `the books of ${name} differ`);
    const told = (from: typeof x, to: typeof x) => {
      const [mine, theirs] = [from.core.books.state.told, to.core.books.state.heard];
      if (JSON.stringify(mine) !== JSON.stringify(theirs)) {
        oracle.bad("L", `fates of ${name}: ${JSON.stringify([mine, theirs])}`);
      }
    };
    told(x, y);
    told(y, x);
  }
}
