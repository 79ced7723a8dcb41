import { readFileSync } from "node:fs";
import test from "ava";
import { limits, reasons, times } from "../../../../src/wire/ck/names.ts";
import { fieldOf, messageTypes, rowsOf, specOf } from "../../../../src/wire/ck/table.ts";

const page = readFileSync(new URL("../../../../src/wire/ck/README.md", import.meta.url), "utf8");
const hex = (code: number) => `0x${code.toString(16).toUpperCase()}`;

/** Parameters that a row says, "as 0x…" followed. */
function said(row: string): string {
  return row.replace(/as (0x[0-9A-F]{4})/, (_, code: string) => {
    return page.split("\n").find((line) => line.startsWith(`| ${code} `)) ?? "";
  });
}

test("the page has each message as the table has it", (t) => {
  for (const type of messageTypes) {
    const { title, code, from, clause = "ours", answer } = specOf[type];
    const row = page.split("\n").find((line) => line.startsWith(`| ${hex(code)} `)) ?? "";
    const answering = messageTypes.find((one) => one === answer);
    const cells = [hex(code), title, from === "km" ? "KM" : from, clause];
    const to = answering === undefined ? "–" : hex(specOf[answering].code);
    t.true(
      row.startsWith(`| ${[...cells, to].join(" | ")} | `),
      `${row}\n${cells.join(" | ")} | ${to}`,
    );
    for (const [name] of rowsOf(type)) {
      if (name === "extension") continue;
      t.true(said(row).includes(`\`${fieldOf[name].tcp}\``), `${title}: ${fieldOf[name].tcp}`);
    }
    const known = new Set(rowsOf(type).map(([name]) => fieldOf[name].tcp as string));
    for (const [, name = ""] of row.matchAll(/`([a-z_]+)`/g))
      t.true(known.has(name), `${title}: ${name}`);
  }
});

test("the page has reasons, limits and times as the code has them", (t) => {
  for (const reason of reasons) t.true(page.includes(`\`${reason}\``), reason);
  const number = (n: number) => n.toLocaleString("en-US");
  for (const text of [
    `1 to ${limits.id} characters in at most ${limits.idBytes} bytes`,
    `up to ${limits.kmas};`,
    `up to ${number(limits.keyIds)};`,
    `1 to ${number(limits.number)} KSA-keys`,
    `1 to ${limits.reason} characters`,
    `up to ${number(limits.extensions)} of ${number(limits.extensionBytes)} bytes`,
    `Up to ${limits.parts} frames and ${limits.bytes / 2 ** 20} MiB`,
    `${limits.unanswered} commands of a side`,
    `within ${times.answer / 1_000} s unless who asks says more`,
    `sends something every ${times.every / 1_000} s`,
    `nothing for ${times.silence / 1_000} s ends the connection`,
    `must be complete within ${times.message / 1_000} s`,
  ]) {
    t.true(page.replace(/\s+/g, " ").includes(text), text);
  }
});
