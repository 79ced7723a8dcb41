/** What the page of a key manager has of its own, beside what all pages share. */
import { join } from "node:path";
import type { PageProgram } from "../../ops/page/assets.ts";

export const kmPage: PageProgram = {
  title: "Key manager",
  called: "the key manager",
  command: "qkd-km",
  folder: join(import.meta.dirname, "browser-km"),
  scripts: ["flow", "main", "panels", "plots", "tables", "type", "words"],
  plots: true,
};
