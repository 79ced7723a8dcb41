/** `qkd-node links`: how the links are, and how good. */
import { exit } from "../../base/exit-codes.ts";
import { counted } from "../../base/words.ts";
import { facts } from "../../host/terminal/table.ts";
import { coloured, type Paint, tidy } from "../../host/terminal/terminal.ts";
import { bytes, percent, whole } from "../../host/terminal/units.ts";
import type { Links } from "../../ops/cli/shapes.ts";
import type { Context } from "./context.ts";
import { brokerText } from "./status.ts";

export async function run(context: Context): Promise<number> {
  const answer = await context.ask<Links>("links");
  const { paint, width } = context.terminal;
  context.print(answer, () => lines(answer, paint, width));
  return exit.ok;
}

function lines({ modules, broker, server }: Links, paint: Paint, width: number): string[] {
  const told = modules.flatMap((one) => {
    const why = one.reason === "" ? "" : `: ${tidy(one.reason)}`;
    const { quality } = one;
    const state = coloured(paint, one.up ? "up" : "down");
    const protocol = one.protocol === undefined ? one.driver : one.protocol;
    const kms = one.kms.map((km) => {
      const word = km.awaited ? "the KM connects when it wants keys" : km.up ? "up" : "down";
      const because = km.reason === "" ? "" : `: ${tidy(km.reason)}`;
      const group = km.key_exchange === undefined ? "" : `, ${tidy(km.key_exchange)}`;
      const at = `${km.where} (${km.transport}${group})`;
      return [`KM ${tidy(km.name)}`, `${coloured(paint, word)}  ${tidy(at)}${because}`] as const;
    });
    return [
      paint.bold(tidy(one.module)),
      ...facts(
        [
          ["module", `${state}  ${tidy(one.where)} (${tidy(protocol)})${why}`],
          ...(quality === undefined ? [] : qualityOf(quality, paint)),
          ...kms,
        ],
        width,
        2,
      ),
    ];
  });
  const groups = [...new Set(server?.key_exchanges)].map(tidy).join(", ");
  const by = broker?.key_exchange === undefined ? "" : ` (${tidy(broker.key_exchange)})`;
  const others: (readonly [string, string])[] = [
    ...(server === undefined ? [] : [["server", groups || "no KM has asked yet"] as const]),
    ...(broker === undefined ? [] : [["broker", brokerText(broker, paint) + by] as const]),
  ];
  return others.length === 0 ? told : [...told, ...facts(others, width)];
}

/** Counters of a link since its session began. */
function qualityOf(
  quality: NonNullable<Links["modules"][number]["quality"]>,
  paint: Paint,
): (readonly [string, string])[] {
  const { framesReceived = 0, framesSent = 0, bytesReceived = 0, bytesSent = 0 } = quality;
  const { framesBad = 0, framesResent = 0 } = quality;
  const bad = `${whole(framesBad)} (${percent(framesBad / Math.max(1, framesReceived + framesBad))})`;
  const again = `${whole(framesResent)} (${percent(framesResent / Math.max(1, framesSent))})`;
  return [
    ["received", `${counted(framesReceived, "frame")}, ${bytes(bytesReceived)}`],
    ["sent", `${counted(framesSent, "frame")}, ${bytes(bytesSent)}`],
    ["bad frames", framesBad > 0 ? paint.warn(bad) : bad],
    ["sent again", framesResent > 0 ? paint.warn(again) : again],
  ];
}
