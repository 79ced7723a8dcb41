/** `qkd-node keys`: keys by their state, counted. */
import { exit } from "../../base/exit-codes.ts";
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

function lines(counts: KeyCounts, paint: Paint, width: number): string[] {
  const { ledger, in_module_bits, kept_back } = counts;
  const { refused, ...since } = counts.since_start;
  const n = (name: string) => whole(since[name]);
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
        ["in the node's memory", `${n("held_blocks")} blocks`],
        ["with the KM, unanswered", `${n("in_flight")} keys`],
        ["", ""],
        [paint.dim("since the start"), ""],
        ["given to the KM", `${n("supplied")} keys, and ${n("repeats")} times one again`],
        ["confirmed by the KM", `${n("confirmed")} keys, ${n("bits")} bit`],
        ["refused by the KM", refusals === "" ? "0" : paint.warn(refusals)],
        ["withheld", alert(since.withheld, `${n("withheld")} blocks`)],
        ["quarantined", alert(since.quarantined, n("quarantined"))],
        ["empty", `${n("empty_blocks")} blocks`],
        ["released by the module", `${n("released_blocks")} blocks`],
        ["", ""],
        [paint.dim("on record, not released yet"), ""],
        ["whole at the KM", `${whole(ledger.complete)} of ${whole(ledger.blocks)} blocks`],
        ["withheld", alert(ledger.withheld, `${whole(ledger.withheld)} blocks`)],
        ["damaged", alert(ledger.damaged, `${whole(ledger.damaged)} blocks`)],
        ["quarantined", alert(ledger.keys.quarantined, `${whole(ledger.keys.quarantined)} keys`)],
        ["given to one KM", `${whole(ledger.keys.assigned)} keys`],
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
