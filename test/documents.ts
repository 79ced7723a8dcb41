/** The documents of the project. */
import { readdirSync } from "node:fs";
import { join } from "node:path";

export const root = join(import.meta.dirname, "..");
const folders = [
  "board",
  "contract",
  "docs",
  "drivers",
  "scripts",
  "security",
  "src",
  "systemd",
  "test",
];

export const isDocument = (name: string) => name.endsWith(".md");

/** Their paths below `root`. */
export function documents(): string[] {
  const inFolders = folders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: "utf8" }).map((name) =>
      join(folder, name),
    ),
  );
  return [...readdirSync(root), ...inFolders].filter(isDocument);
}
