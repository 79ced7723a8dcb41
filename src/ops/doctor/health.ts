/** The verdict on a module's supply, and what is kept back of it, as lines for a person. Pure. */

import { table, wrap } from "../../host/terminal/table.ts";
import { type Paint, tidy } from "../../host/terminal/terminal.ts";
import { duration, whole } from "../../host/terminal/units.ts";
import type { Health, KeptBack } from "../cli/shapes.ts";
import { olderNode } from "../local/protocol.ts";

const nothing = [{ title: "" }, { title: "" }, { title: "" }];

/**
 * What is so of each module, since when, and what to do about it.
 * @param now by RFC 3339, of the node's own clock
 */
export function healthLines(
  modules: readonly { readonly name: string; readonly health?: Health | undefined }[],
  now: string,
  paint: Paint,
  width: number,
): string[] {
  const words: Readonly<Record<string, string>> = {
    good: paint.good("ok"),
    waiting: paint.dim("wait"),
    attention: paint.warn("warn"),
    bad: paint.bad("FAIL"),
  };
  const rows = modules.flatMap(({ name, health }) => {
    if (health === undefined) return [];
    const { level, text, action, since } = health;
    const age = (Date.parse(now) - Date.parse(since)) / 1_000;
    return [
      [words[level] ?? level, tidy(name), `${tidy(text)} (since ${duration(age)})`],
      ...(action === "" || level === "good" ? [] : [["", "", `→ ${tidy(action)}`]]),
    ];
  });
  const older = modules.some(({ health }) => health === undefined);
  return [...(older ? wrap(paint.warn(olderNode), width) : []), ...table(nothing, rows, width)];
}

/** What is kept back of a module, with what to type; empty if nothing is. */
export function keptLines(
  modules: readonly { readonly name: string; readonly kept_back?: readonly KeptBack[] }[],
  paint: Paint,
  width: number,
): string[] {
  const rows = modules.flatMap(({ name, kept_back = [] }) =>
    kept_back.flatMap(({ count, text, waits, command }) => {
      const what = `kept back: ${whole(count)} ${tidy(text)}`;
      return [
        ["", tidy(name), waits ? paint.warn(what) : what],
        ["", "", `→ ${tidy(command)}`],
      ];
    }),
  );
  return table([{ title: "    " }, { title: "" }, { title: "" }], rows, width).slice(1);
}
