// Tables of names and values.
import { make } from "./dom.js";

/** Rows without a value are left out. @param {[string, string | undefined][]} rows */
export function factsTable(rows) {
  const known = rows.filter(([, value]) => value !== undefined && value !== "");
  return make(
    "dl",
    { class: "facts-table" },
    ...known.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value ?? "")]),
  );
}

/** @param {string} title @param {[string, string | undefined][]} rows */
export function factsGroup(title, rows) {
  return make("div", { class: "group" }, make("h3", {}, title), factsTable(rows));
}
