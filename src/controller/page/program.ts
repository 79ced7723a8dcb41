/** What the page of a controller has of its own, beside what all pages share. */
import { join } from "node:path";
import type { PageProgram } from "../../ops/page/assets.ts";

export const controllerPage: PageProgram = {
  title: "QKDN controller",
  called: "the controller",
  command: "qkd-controller",
  folder: join(import.meta.dirname, "browser-controller"),
  scripts: [
    "changes",
    "details",
    "draw",
    "filter",
    "labels",
    "layout",
    "legend",
    "lettering",
    "lists",
    "main",
    "map",
    "merge",
    "move",
    "names",
    "pairs",
    "panels",
    "scene",
    "svg",
    "told",
    "words",
  ],
  styles: ["map"],
  told: true,
  plots: false,
};
