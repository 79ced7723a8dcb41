/** Do keys arrive? What the node itself says of each module's supply, and what is kept back of it. */

import { type Finding, fail, ok, warn } from "../../ops/doctor/finding.ts";
import { olderNode } from "../../ops/local/protocol.ts";
import type { Running } from "./subject.ts";

/** The verdict, which every surface of the node shows. */
export function checkSupply({ status }: Running): Finding[] {
  if (status.modules.some(({ health }) => health === undefined)) {
    return [warn(["supply", "supply"], olderNode, "systemctl restart qkd-node")];
  }
  return status.modules.flatMap(({ name, health }) => {
    if (health === undefined) return [];
    const { level, text, action } = health;
    const title = [`supply.${name}`, `supply of ${name}`] as const;
    const advice = action === "" ? "qkd-node status shows when keys arrive" : action;
    if (level === "good") return ok(title, text);
    return (level === "bad" ? fail : warn)(title, text, advice);
  });
}

/** What waits for an operator's decision is a warning; what is withheld by design is only told. */
export function checkKeptBack({ status }: Running): Finding[] {
  return status.modules.flatMap(({ name, kept_back = [] }) => {
    if (kept_back.length === 0) return [];
    const title = [`kept.${name}`, `kept back of ${name}`] as const;
    const detail = kept_back.map(({ count, text }) => `${count} ${text}`).join(", ");
    const waiting = kept_back.find(({ waits }) => waits);
    if (waiting === undefined) return [ok(title, detail)];
    const advice = `decide, alike at both ends; to give it up: ${waiting.command}; qkd-node kept lists it`;
    return [warn(title, detail, advice)];
  });
}
