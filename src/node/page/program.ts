/** What a node's page has of its own, beside what all pages share. */
import { join } from "node:path";
import type { PageProgram } from "../../ops/page/assets.ts";

export const nodePage: PageProgram = {
  title: "QKD node",
  called: "the node",
  command: "qkd-node",
  folder: join(import.meta.dirname, "browser-node"),
  scripts: ["flow", "main", "module", "panels", "plots", "type", "words"],
  plots: true,
};
