/** What of a bill of materials is asked for, and where; what is in no list. Pure. */
import * as v from "valibot";
import type { Part } from "./ask.ts";

export interface Asked {
  readonly parts: readonly Part[];
  /** Version of Node.js, whose own parts (OpenSSL, V8, …) come with it. */
  readonly node: string | undefined;
  /** Components that are in no list, by name and version. */
  readonly unasked: readonly string[];
}

/** What is read of a bill; other members are passed over. */
const billSchema = v.object({
  bomFormat: v.literal("CycloneDX"),
  components: v.pipe(
    v.array(
      v.object({
        name: v.string(),
        version: v.string(),
        purl: v.optional(v.string()),
        properties: v.optional(v.array(v.object({ name: v.string(), value: v.string() }))),
      }),
    ),
    v.minLength(1),
  ),
});

type Bill = v.InferOutput<typeof billSchema>;

/**
 * A file that is no bill, or has no part in it, has no weakness either: that is no good news, and is refused.
 * @param json text of a file
 * @throws Error that says why it is no bill
 */
export function readBill(json: string): Bill {
  let read: unknown;
  try {
    read = JSON.parse(json);
  } catch {
    throw new Error("it is not JSON");
  }
  const result = v.safeParse(billSchema, read);
  if (result.success) return result.output;
  const [issue] = result.issues;
  const where = v.getDotPath(issue) ?? "the whole";
  throw new Error(
    `it is no bill of materials (CycloneDX) with parts in it: ${where}: ${issue.message}`,
  );
}

/** @param bill CycloneDX */
export function partsOf(bill: Bill): Asked {
  const parts = new Map<string, Part>();
  const unasked: string[] = [];
  let node: string | undefined;
  for (const { name, version, purl = "", properties = [] } of bill.components) {
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
