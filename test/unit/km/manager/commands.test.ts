/** Commands of a key manager: what is asked of the records, and what is refused. */
import test from "ava";
import { execute, type KmPorts } from "../../../../src/km/commands/executor.ts";
import { commands } from "../../../../src/km/commands/table.ts";
import { Tally } from "../../../../src/km/manager/tally.ts";
import type { LinkEvent } from "../../../../src/km/peer/events.ts";
import { orderIn } from "../../../../src/ops/commands/table.ts";

const affected = {
  link: "fibre",
  from: "",
  to: "",
  matched_keys: 3,
  waiting_keys: 2,
  left_over_keys: 1,
  unused_keys: 1,
  bits: 768,
  kma_keys: 3,
  extents: [],
  without_record: [9],
  ksa_keys: [],
  free_bits: 512,
  left_out: 0,
};

function ports(): KmPorts & { readonly asked: string[] } {
  const asked: string[] = [];
  const isKnown = (link: string) => link === "fibre";
  return {
    asked,
    acknowledge: (alarm, by) => {
      asked.push(`ack ${alarm} ${by}`);
      return alarm === "none" ? "unknown_alarm" : undefined;
    },
    affected: async (link, { from, to }) => {
      asked.push(`affected ${link} ${from} ${to}`);
      return isKnown(link) ? affected : undefined;
    },
    giveUp: async (link, { from, to }, by) => {
      asked.push(`give up ${link} ${from} ${to} ${by}`);
      const gone = {
        dropped_keys: 2,
        void_extents: 1,
        void_bits: 512,
        left_keys: 0,
        ended_relays: 0,
        relayed: [],
        link_up: true,
      };
      return isKnown(link) ? { affected, ...gone } : undefined;
    },
    reloadCertificates: () => {
      throw new TypeError("a defect");
    },
    supportBundle: async () => ({ file: "/x/support/one.tar.gz" }),
    wall: () => 5_000,
  };
}

test("compromise asks, and gives up only if it is told to", async (t) => {
  const { asked, ...rest } = ports();
  const run = (
    name: "compromise" | "acknowledge_alarm" | "reload_certificates" | "support_bundle",
    args: object,
  ) => {
    const order = orderIn(commands, name, args);
    return order === undefined ? undefined : execute(order, "noc", rest);
  };
  const from = "1970-01-01T00:00:01Z";
  t.like(await run("compromise", { link: "fibre", from }), {
    status: "done",
    facts: { matched_keys: 3, extents_without_record: 1, free_bits: 512 },
  });
  const to = "1970-01-01T01:00:02+01:00";
  t.like(await run("compromise", { link: "fibre", from, to, delete: true }), {
    status: "done",
    facts: { void_bits: 512, left_keys: 0 },
  });
  t.deepEqual(asked, ["affected fibre 1000 undefined", "give up fibre 1000 2000 command key noc"]);
  t.like(await run("compromise", { link: "x", from }), { reason: "unknown_link" });
  t.like(await run("compromise", { link: "x", from, delete: true }), { reason: "unknown_link" });
  const later = "1970-01-01T00:01:00Z";
  t.like(await run("compromise", { link: "fibre", from: later }), { reason: "from_after_to" });
  for (const bad of [
    {},
    { link: "fibre" },
    { link: "fibre", from: "yesterday" },
    { link: "fibre", from, delete: "yes" },
    { link: "fibre", from, more: 1 },
  ]) {
    t.is(run("compromise", bad), undefined, JSON.stringify(bad));
  }
  t.like(await run("acknowledge_alarm", { alarm: "none" }), { reason: "unknown_alarm" });
  t.deepEqual(await run("support_bundle", {}), {
    status: "done",
    facts: { file: "/x/support/one.tar.gz" },
  });
  t.like(await run("reload_certificates", {}), { status: "failed", reason: "internal error" });
});

test("what applications were given is counted at each end once", (t) => {
  const tally = new Tally();
  const use = (owner: boolean, state: "O" | "S" | "B" | "T" | "X", fate?: "T"): LinkEvent => ({
    type: "use",
    keys: [{ id: "00", count: 1, ranges: [{ extent: 1, start: 0, end: 32 }] }],
    offer: "01",
    owner,
    state,
    fate,
  });
  for (const event of [use(true, "O"), use(true, "S"), use(true, "S", "T")]) {
    tally.told("fibre", event);
  }
  t.deepEqual(tally.supplied("fibre"), { keys: 1, bits: 256 });
  for (const event of [use(false, "B"), use(false, "T")]) tally.told("fibre", event);
  for (const event of [use(false, "B"), use(false, "X")]) tally.told("fibre", event);
  t.deepEqual(tally.supplied("fibre"), { keys: 2, bits: 512 });
  t.deepEqual(tally.supplied("other"), { keys: 0, bits: 0 });
});
