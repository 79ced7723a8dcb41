/** Metrics of keys that are brought (Q.4160 I.2). Pure. */
import type { Family } from "../../ops/metrics/exposition.ts";
import type { KmStatus } from "../model/status.ts";

export function proactiveFamilies({ proactive }: Pick<KmStatus, "proactive">): Family[] {
  if (proactive === undefined) return [];
  const { source, destination } = proactive;
  const roles = Object.entries({ source, destination });
  return [
    {
      name: "qkd_km_proactive_sessions",
      type: "gauge",
      help: "Open sessions in which keys are brought, by the role of this key manager.",
      samples: roles.map(([role, { sessions }]) => ({ labels: { role }, value: sessions })),
    },
    {
      name: "qkd_km_proactive_deliveries",
      type: "counter",
      help: "Deliveries of keys in such sessions, by how they ended, since the start.",
      samples: roles.flatMap(([role, { deliveries }]) =>
        Object.entries(deliveries).map(([result, value]) => ({ labels: { role, result }, value })),
      ),
    },
    {
      name: "qkd_km_proactive_keys",
      type: "counter",
      help: "Keys that their destination said it has, since the start.",
      samples: roles.map(([role, { keys }]) => ({ labels: { role }, value: keys })),
    },
  ];
}
