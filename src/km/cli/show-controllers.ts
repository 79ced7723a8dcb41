/** The controllers of a key manager, for people, in 80 columns. Pure. */
import { table } from "../../host/terminal/table.ts";
import type { ControllerStatus, KmStatus } from "../model/status.ts";

const width = 80;

/** Nothing where none is configured. */
export function controllerLines({ controllers = [] }: Pick<KmStatus, "controllers">): string[] {
  if (controllers.length === 0) return [];
  const columns = [
    { title: "CONTROLLER" },
    { title: "ADDRESS" },
    { title: "CK" },
    { title: "STATE" },
    { title: "SINCE" },
  ];
  const rows = controllers.map((one) => {
    const { name, address, binding, since } = one;
    return [name, address, binding === "grpc" ? "gRPC" : "TCP", stateText(one), since];
  });
  return ["", ...table(columns, rows, width)];
}

/** In one word or two. */
export function stateText({ connected, standby, asked }: ControllerStatus): string {
  if (!connected) return "away";
  if (standby) return "stands by";
  return asked ? "asked" : "connected";
}
