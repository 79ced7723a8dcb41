/** A boot counter comes again when its disk is put back from a copy: events and births do not. */
import test from "ava";
import { eventually } from "../../../eventually.ts";
import { manager } from "../../../rig/manager-bench.ts";
import { memoryOutbox } from "../../../rig/outbox.ts";

test("two starts under one boot counter have no event_id in common", async (t) => {
  const told = async (incarnation: string) => {
    const { manager: node, outbox } = await manager("mqtt://127.0.0.1:1", {
      ...{ boot: 2, incarnation, outbox: await memoryOutbox() },
    });
    node.event({ type: "x", at: 0, facts: {} });
    const item = await eventually("it is durable", () => outbox.next(), {
      when: (one) => one !== undefined,
    });
    return JSON.parse(String(item?.payload)) as Record<string, unknown>;
  };
  const [first, second] = [await told("00112233aabbccdd"), await told("ffeeddccbbaa9988")];
  t.like(first, { event_id: "node-a-2-00112233aabbccdd-1", boot: 2, sequence: 1 });
  t.like(second, { event_id: "node-a-2-ffeeddccbbaa9988-1", boot: 2, sequence: 1 });
});
