/** What the image that a machine runs says of itself. */
import { readFileSync } from "node:fs";

export interface ImageStatus {
  readonly version: string;
  /** Signed by keys that a builder's machine made for its bench, not by a vendor's. */
  readonly development: boolean;
}

/** @returns undefined on a machine that is not installed by images */
export function readImage(file = "/etc/os-release"): ImageStatus | undefined {
  try {
    return parseImage(readFileSync(file, "utf8"));
  } catch {
    return undefined;
  }
}

/** @param text of os-release(5) */
export function parseImage(text: string): ImageStatus | undefined {
  const value = (name: string) => new RegExp(`^${name}="?([^"\\n]*)"?$`, "m").exec(text)?.[1];
  if (value("ID") !== "qkd-node") return undefined;
  return {
    version: value("IMAGE_VERSION") ?? "",
    development: value("VARIANT_ID") === "development",
  };
}
