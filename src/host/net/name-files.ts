/** What this machine's files say about names: hosts(5), resolv.conf(5), nsswitch.conf(5). Pure. */
import { isIP } from "node:net";

function words(line: string, comment: RegExp): string[] {
  return line.replace(comment, "").trim().split(/\s+/);
}

/** Addresses of a name, in the order of the file. @param name in lower case, without a last dot */
export function addressesIn(hosts: string, name: string): string[] {
  return hosts.split("\n").flatMap((line) => {
    const [address = "", ...names] = words(line, /#.*/);
    if (isIP(address) === 0) return [];
    return names.some((one) => one.toLowerCase().replace(/\.$/, "") === name) ? [address] : [];
  });
}

/** Names to ask for, one after the other, until one is there: `search` and `ndots`. */
export function candidates(resolv: string, host: string): string[] {
  if (host.endsWith(".")) return [host.slice(0, -1)];
  let search: string[] = [];
  let dots = 1;
  for (const line of resolv.split("\n")) {
    const [key, ...values] = words(line, /[#;].*/);
    if (key === "search" || key === "domain") search = values;
    if (key !== "options") continue;
    const [, count] = /(?:^|\s)ndots:(\d{1,2})(?:\s|$)/.exec(values.join(" ")) ?? [];
    if (count !== undefined) dots = Number(count);
  }
  const longer = search
    .map((domain) => domain.replace(/^\.|\.$/g, ""))
    .filter((domain) => domain !== "")
    .map((domain) => `${host}.${domain}`);
  const itself = host.split(".").length - 1 >= dots;
  return itself ? [host, ...longer] : [...longer, host];
}

const usual = ["files", "dns", "resolve", "myhostname", "mymachines"];

/** Whether names come from other sources than files and the DNS, such as mDNS or LDAP. */
export function hasOtherSources(nsswitch: string): boolean {
  for (const line of nsswitch.split("\n")) {
    const [key, ...sources] = words(line, /#.*/);
    if (key !== "hosts:") continue;
    const named = sources.join(" ").replace(/\[[^\]]*\]/g, " ");
    return named.split(/\s+/).some((one) => one !== "" && !usual.includes(one));
  }
  return false;
}
