/** `qkd-node keys`: keys by their state, counted. */
import { exit } from "../../base/exit-codes.ts";
import { counted } from "../../base/words.ts";
import { facts } from "../../host/terminal/table.ts";
import { type Paint, tidy } from "../../host/terminal/terminal.ts";
import { whole } from "../../host/terminal/units.ts";
import type { KeyCounts } from "../../ops/cli/shapes.ts";
import type { Context } from "./context.ts";

export async function run(context: Context): Promise<number> {
  const [module] = context.positionals;
  const args = module === undefined ? {} : { module };
  const answer = await context.ask<{ readonly modules: readonly KeyCounts[] }>("keys", args);
  const { paint, width } = context.terminal;
  context.print(answer, () => answer.modules.flatMap((one) => lines(one, paint, width)));
  return exit.ok;
}

/** A module, its keys counted. */
export function lines(counts: KeyCounts, paint: Paint, width: number): string[] {
  const { ledger, in_module_bits, kept_back = [] } = counts;
  const { quarantined = 0, assigned = 0 } = ledger.keys;
  const { refused, ...since } = counts.since_start;
  const n = (name: string, word?: string) => {
    const count = since[name];
    return word === undefined || typeof count !== "number" ? whole(count) : counted(count, word);
  };
  const alert = (count: unknown, text: string) => (Number(count) > 0 ? paint.warn(text) : text);
  const reasons = Object.entries(typeof refused === "object" ? refused : {});
  const refusals = reasons.map(([reason, count]) => `${tidy(reason)} ${whole(count)}`).join(", ");
  return [
    paint.bold(tidy(counts.module)),
    ...facts(
      [
        [
          "in the module",
          in_module_bits === undefined ? "not told" : `${whole(in_module_bits)} bit`,
        ],
        ["in the node's memory", n("held_blocks", "block")],
        ["with the KM, unanswered", n("in_flight", "key")],
        ["", ""],
        [paint.dim("since the start"), ""],
        ["given to the KM", `${n("supplied", "key")}, and ${n("repeats", "time")} one again`],
        ["confirmed by the KM", `${n("confirmed", "key")}, ${n("bits")} bit`],
        ["refused by the KM", refusals === "" ? "0" : paint.warn(refusals)],
        ["withheld", alert(since.withheld, n("withheld", "block"))],
        ["quarantined", alert(since.quarantined, n("quarantined"))],
        ["empty", n("empty_blocks", "block")],
        ["released by the module", n("released_blocks", "block")],
        ["", ""],
        [paint.dim("on record, not released yet"), ""],
        ["whole at the KM", `${whole(ledger.complete)} of ${counted(ledger.blocks, "block")}`],
        ["withheld", alert(ledger.withheld, counted(ledger.withheld, "block"))],
        ["damaged", alert(ledger.damaged, counted(ledger.damaged, "block"))],
        ["quarantined", alert(quarantined, counted(quarantined, "key"))],
        ["given to one KM", counted(assigned, "key")],
        ...(kept_back.length === 0
          ? []
          : [["", ""] as const, [paint.dim("kept back"), ""] as const]),
        ...kept_back.map(({ count, text, command }) => {
          return [whole(count), `${tidy(text)}: ${tidy(command)}`] as const;
        }),
      ],
      width,
      2,
    ),
  ];
}
