/** What a network looks like on a terminal: its controller's verdict, its pairs, and where its map is. Pure text. */
import type { ControllerStatus } from "../../../src/controller/model/status.ts";
import { commands, fitted, type Line, type Paint, rate } from "../text.ts";
import type { ShownNetwork } from "./network.ts";

function place(km: string): string {
  return km.replace(/^km-/, "");
}

/** How it is, in a line. */
export function networkLine({ shape, feeder, status }: ShownNetwork, seconds: number): string {
  const told = status();
  const attached = told?.nodes.filter((one) => one.attached).length ?? 0;
  const good = told?.links.filter(({ state }) => state === "good").length ?? 0;
  const routed = told?.pairs.filter(({ route }) => route.length > 0).length ?? 0;
  const parts = [
    `${attached} of ${shape.nodes.length} KMs`,
    `${good} of ${shape.links.length} links good`,
    `${routed} of ${shape.pairs.length} pairs with a route`,
    `${feeder.keys} QKD-keys`,
    told?.verdict.code ?? "no answer",
  ];
  return `${seconds.toFixed(0).padStart(4)} s  ${parts.join(", ")}`;
}

function pairLine({ a, b, route, stock_bits: stock }: ControllerStatus["pairs"][number]): Line {
  const way = route.length === 0 ? "no route" : route.map(place).join("–");
  return { text: ` ${`${place(a)}–${place(b)}`.padEnd(22)}${way}, ${stock ?? 0} bit in stock` };
}

export function networkPicture(
  network: ShownNetwork,
  seconds: number,
  paint: Paint,
  size: { readonly rows: number; readonly columns: number },
): string[] {
  const { controller, feeder, status } = network;
  const told = status();
  const verdict = told?.verdict;
  const text = verdict?.text ?? "it does not answer";
  const sum = feeder.rates.reduce((all, one) => all + one, 0);
  const lines: Line[] = [
    { text: ` ${paint.bold("qkd-km")} ${networkLine(network, seconds)}` },
    { text: "", spare: 2 },
    { text: ` ${"controller".padEnd(22)}${verdict?.level === "good" ? paint.good(text) : text}` },
    { text: ` ${"all links together".padEnd(22)}${rate(sum)}`, spare: 1 },
    ...(told?.pairs ?? []).map(pairLine),
    { text: "", spare: 3 },
    { text: ` ${paint.dim("Ctrl-C stops all")}` },
    ...commands(
      [
        `open ${controller.page ?? "(the map, in a moment)"}  # the controller's map`,
        `scripts/qkd-controller status --config ${controller.config}`,
      ],
      paint,
    ),
  ];
  return fitted(lines, size);
}
