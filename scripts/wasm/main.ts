/**
 * Writes `src/wire/kq1/engine-code.ts` from the routines in this folder: `node scripts/wasm/main.ts`, after
 * one of them was changed. A test compares the two.
 */
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { assemble } from "./assembler.ts";
import { base64, base64Data } from "./base64.ts";
import { sha256 } from "./sha256.ts";
import { wipe } from "./wipe.ts";

/** Of 64 KiB each. */
export const pages = 68;

/** The module as base64. */
export function moduleText(): string {
  return Buffer.from(assemble([base64, sha256, wipe], pages, base64Data)).toString("base64");
}

function source(text: string): string {
  const lines = text.match(/.{1,92}/g) ?? [];
  return `/** Made by scripts/wasm from what is readable there: base64, SHA-256 and wiping, on vectors. */
export const pages = ${pages};

export const moduleText = [
${lines.map((line) => `  "${line}",\n`).join("")}].join("");
`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const file = new URL("../../src/wire/kq1/engine-code.ts", import.meta.url);
  writeFileSync(file, source(moduleText()));
}
