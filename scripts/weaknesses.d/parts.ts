/** What of a bill of materials is asked for, and where; what is in no list. Pure. */
import type { Component } from "../build/bill.ts";
import type { Part } from "./ask.ts";

export interface Asked {
  readonly parts: readonly Part[];
  /** Version of Node.js, whose own parts (OpenSSL, V8, …) come with it. */
  readonly node: string | undefined;
  /** Components that are in no list, by name and version. */
  readonly unasked: readonly string[];
}

/** @param bill CycloneDX */
export function partsOf(bill: { readonly components?: readonly Component[] }): Asked {
  const parts = new Map<string, Part>();
  const unasked: string[] = [];
  let node: string | undefined;
  for (const { name, version, purl = "", properties = [] } of bill.components ?? []) {
    const debian = /^pkg:deb\/debian\/.*[?&]distro=debian-(\d+)/.exec(purl)?.[1];
    if (purl.startsWith("pkg:npm/")) {
      const [, path = ""] = /^pkg:npm\/([^@?]+)@/.exec(purl) ?? [];
      add(parts, { ecosystem: "npm", name: decodeURIComponent(path), version });
    } else if (debian !== undefined) {
      // Weaknesses are told of source packages.
      const source = properties.find((one) => one.name === "debian:source")?.value ?? "";
      const [of = name, its = version] = source.split(" ");
      add(parts, { ecosystem: `Debian:${debian}`, name: of, version: its });
    } else if (name === "node") node = version;
    else if (name !== "qkd-node") unasked.push(`${name} ${version}`);
  }
  return { parts: [...parts.values()], node, unasked };
}

function add(parts: Map<string, Part>, part: Part): void {
  parts.set(`${part.ecosystem} ${part.name} ${part.version}`, part);
}
