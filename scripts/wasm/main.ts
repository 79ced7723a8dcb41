/**
 * Assembles the text modules in `src/wire/kq1` and `src/km/relay` into the code beside them: `node scripts/wasm/main.ts`,
 * after one of them was changed. Tests compare the two.
 */
import { writeFileSync } from "node:fs";
import { engineCode, kq1Code, relayCode } from "./assemble.ts";

for (const code of [kq1Code, relayCode]) {
  writeFileSync(new URL(code.file, code.folder), await engineCode(code));
}
