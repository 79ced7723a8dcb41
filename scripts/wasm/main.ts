/**
 * Assembles the text modules in `src/wire/kq1` into `engine-code.ts` beside them: `node scripts/wasm/main.ts`,
 * after one of them was changed. A test compares the two.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import wabt from "wabt";

const folder = new URL("../../src/wire/kq1/", import.meta.url);

/** What engine-code.ts is to be. */
export async function engineCode(): Promise<string> {
  const { parseWat } = await wabt();
  const modules = ["base64", "unbase64", "sha256"].map((name) => {
    const file = `${name}.wat`;
    // A copy: wabt reads all of the memory that bytes are in, and a small file is in Node's common one.
    const source = Uint8Array.from(readFileSync(new URL(file, folder)));
    const module = parseWat(file, source, { simd: true });
    try {
      module.validate();
      const text = Buffer.from(module.toBinary({}).buffer).toString("base64");
      const lines = text.match(/.{1,92}/g) ?? [];
      const quoted = lines.map((line) => `  "${line}",\n`).join("");
      return `\nexport const ${name}Module = [\n${quoted}].join("");\n`;
    } finally {
      module.destroy();
    }
  });
  return `/** Made by scripts/wasm from base64.wat, unbase64.wat and sha256.wat. */\n${modules.join("")}`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(new URL("engine-code.ts", folder), await engineCode());
}
