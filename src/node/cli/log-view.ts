/** Lines of the log as a person reads them: by the terminal's clock, with its zone once. Pure. */

import { timesOf, timeTitle } from "../../host/terminal/units.ts";
import { partsOfLine } from "../../ops/cli/since.ts";

export class LogView {
  #title: string | undefined;

  /** @param lines as they were written @returns with a title before them where that is another than before */
  show(lines: readonly string[]): readonly string[] {
    const parts = lines.map((line) => partsOfLine(line) ?? { rest: line });
    const stamps = parts.flatMap(({ stamp }) => (stamp === undefined ? [] : [stamp]));
    const times = timesOf(stamps, "ms");
    const shown = parts.map(({ stamp, rest }) =>
      stamp === undefined ? rest : `${times.show(stamp)}  ${rest}`,
    );
    const title = timeTitle(times);
    if (stamps.length === 0 || title === this.#title) return shown;
    this.#title = title;
    return [title, ...shown];
  }
}
