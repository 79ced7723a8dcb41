/** Metrics of controllers (Q.4164). Pure. */
import type { Family } from "../../ops/metrics/exposition.ts";
import type { ControllerStatus, KmStatus } from "../model/status.ts";

export function controllerFamilies({ controllers }: Pick<KmStatus, "controllers">): Family[] {
  if (controllers === undefined) return [];
  const samples = (is: (one: ControllerStatus) => boolean) =>
    controllers.map((one) => ({ labels: { controller: one.name }, value: is(one) ? 1 : 0 }));
  return [
    {
      name: "qkd_km_controller_up",
      type: "gauge",
      help: "1 while the controller is connected.",
      samples: samples(({ connected }) => connected),
    },
    {
      name: "qkd_km_controller_asked",
      type: "gauge",
      help: "1 for the controller that is asked for routes.",
      samples: samples(({ asked }) => asked),
    },
  ];
}
