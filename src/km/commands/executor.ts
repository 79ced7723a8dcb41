/** Carries out commands that were found good, through small ports into the key manager. Pure. */
import { describe, Fault } from "../../base/errors.ts";
import type { Facts, Outcome } from "../../ops/commands/port.ts";
import type { AskedPeriod } from "../keys/origin.ts";
import type { Affected, GivenUp } from "../records/tellings.ts";
import type { Args, Order } from "./table.ts";

export interface KmPorts {
  /** @returns why not; undefined if it was acknowledged */
  acknowledge(alarm: string, by: string): string | undefined;
  /** @returns undefined: no such link */
  affected(link: string, period: AskedPeriod): Promise<Affected | undefined>;
  /** @returns undefined: no such link @throws Fault `km_store.io` if the order cannot be recorded */
  giveUp(link: string, period: AskedPeriod, by: string): Promise<GivenUp | undefined>;
  /** @throws Fault `config.file` if some cannot be read */
  reloadCertificates(): void;
  /** @returns where it is, among others @throws Fault `state.io` if it cannot be written */
  supportBundle(): Promise<Facts>;
  /** ms since 1970 UTC */
  wall(): number;
}

const done: Outcome = { status: "done" };
const failed = (reason: string): Outcome => ({ status: "failed", reason });

/**
 * Carries out a command. Never rejects.
 * @param by the key ID of who gave it
 */
export async function execute(order: Order, by: string, ports: KmPorts): Promise<Outcome> {
  try {
    return await act(order, by, ports);
  } catch (error) {
    return failed(error instanceof Fault ? describe(error) : "internal error");
  }
}

async function act(order: Order, by: string, ports: KmPorts): Promise<Outcome> {
  switch (order.name) {
    case "acknowledge_alarm": {
      const why = ports.acknowledge(order.args.alarm, by);
      return why === undefined ? done : failed(why);
    }
    case "compromise":
      return compromise(order.args, by, ports);
    case "reload_certificates":
      ports.reloadCertificates();
      return done;
    case "support_bundle":
      return { ...done, facts: await ports.supportBundle() };
  }
}

async function compromise(
  { link, from, to, delete: isDelete }: Args<"compromise">,
  by: string,
  ports: KmPorts,
): Promise<Outcome> {
  const period = { from, to };
  if (from > (to ?? ports.wall())) return failed("from_after_to");
  if (isDelete !== true) {
    const affected = await ports.affected(link, period);
    return affected === undefined ? failed("unknown_link") : { ...done, facts: about(affected) };
  }
  const gone = await ports.giveUp(link, period, `command key ${by}`);
  if (gone === undefined) return failed("unknown_link");
  const { affected, relayed, ...did } = gone;
  const relayed_void_bits = relayed.reduce((sum, { void_bits }) => sum + void_bits, 0);
  return { ...done, facts: { ...about(affected), ...did, relayed_void_bits } };
}

/** How much it is: an answer has no room for all of it, which `qkd-km compromise` lists. */
function about(affected: Affected) {
  const { matched_keys, waiting_keys, left_over_keys, unused_keys } = affected;
  const { bits, kma_keys, free_bits } = affected;
  const { extents, without_record, ksa_keys, left_out, relayed } = affected;
  return {
    // Those of which other key managers have the keys, or of which it is not known, are not done with by this one.
    ...(relayed && {
      relays: relayed.relays,
      relays_elsewhere: relayed.elsewhere.reduce((sum, { relays }) => sum + relays, 0),
      relays_unknown: relayed.unknown,
    }),
    ...{ matched_keys, waiting_keys, left_over_keys, unused_keys, bits, kma_keys, free_bits },
    extents: extents.length,
    extents_without_record: without_record.length,
    ksa_keys: ksa_keys.length,
    left_out,
  };
}
