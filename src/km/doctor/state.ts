/** What a running key manager says of itself: disks that were put back, store, links, alarms. */
import { bytes, whole } from "../../host/terminal/units.ts";
import { type Finding, fail, ok, warn } from "../../ops/doctor/finding.ts";
import { isDiskFull, ownVerdict, storeFullAction } from "../model/verdict.ts";
import type { Running } from "./subject.ts";

/** Marks of the books that went back: told by an alarm, which stays until it is acknowledged. */
export function checkRestored(running: Running | undefined): Finding[] {
  const found = running?.status.alarms.filter(({ alarm }) => alarm.startsWith("restored_disk."));
  return (found ?? []).map(({ alarm, detail, text }) => {
    const link = alarm.slice("restored_disk.".length);
    const advice =
      "was a backup or a snapshot put back, here or there? Never at both ends: see Backup and restore in docs/operations.md";
    return fail([`restored.${link}`, "restored disk"], `${text} (${detail ?? link})`, advice);
  });
}

export function checkStore({ status }: Running): Finding {
  const name = ["store", "store"] as const;
  const { disk_bytes, limit_bytes, full, buffered_keys } = status.store;
  const part = limit_bytes === 0 ? 0 : disk_bytes / limit_bytes;
  const waiting = `${whole(buffered_keys)} ${buffered_keys === 1 ? "key waits" : "keys wait"}`;
  const detail = `${bytes(disk_bytes)} of ${bytes(limit_bytes)}, ${waiting}`;
  const what = isDiskFull(status.store) ? "the disk has no room" : "full";
  if (full) return fail(name, `${what}, no key is taken: ${detail}`, storeFullAction);
  return part > 0.8 ? warn(name, detail, storeFullAction) : ok(name, detail);
}

/** Can keys be had of each link? That modules are silent is told for each module. */
export function checkLinks({ status }: Running): Finding[] {
  return status.links.map((link) => {
    const title = [`stock.${link.name}`, `stock of ${link.name}`] as const;
    const recent = () => 0;
    const { level, text, action } = ownVerdict(status, link, recent);
    const both = link.stock_bits + link.peer_stock_bits;
    const stock = `${bytes(link.stock_bits / 8)} here, ${bytes(link.peer_stock_bits / 8)} there`;
    const advice = action === "" ? "qkd-km links shows when keys come" : action;
    if (level === "bad") return fail(title, text, advice);
    const { service } = status.relay?.services?.find((one) => one.link === link.name) ?? {};
    if (service !== undefined && level !== "attention") {
      const what = `${stock}; ${service.replaceAll("_", " ")} for relays, by order of a controller`;
      return warn(title, what, "the controller's operator puts it into service again");
    }
    if (level === "attention" || both === 0) return warn(title, text, advice);
    return ok(title, stock);
  });
}

/** Does it complain of something that the other checks do not see? */
export function checkAlarms({ status }: Running): Finding {
  const name = ["alarms", "alarms"] as const;
  const { alarms, node_alarms } = status;
  const grave = alarms.filter(({ severity }) => ["critical", "major"].includes(severity));
  const others = alarms.length - grave.length + node_alarms.length;
  if (grave.length === 0) {
    return ok(name, others === 0 ? "none is raised" : `${others} minor or of nodes`);
  }
  const names = grave.map(({ alarm, severity }) => `${alarm} (${severity})`);
  return warn(name, names.join(", "), "qkd-km alarms says of each what it means and what to do");
}
