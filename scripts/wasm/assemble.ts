/** The code that text modules of WebAssembly assemble to. */
import { readFileSync } from "node:fs";
import wabt from "wabt";

/** Texts of a folder, and the file that their code goes to. */
export interface WasmCode {
  readonly folder: URL;
  readonly texts: readonly string[];
  readonly file: string;
}

export const kq1Code: WasmCode = {
  folder: new URL("../../src/wire/kq1/", import.meta.url),
  texts: ["base64", "unbase64", "sha256"],
  file: "engine-code.ts",
};

export const relayCode: WasmCode = {
  folder: new URL("../../src/km/relay/", import.meta.url),
  texts: ["poly1305"],
  file: "poly1305-code.ts",
};

function listed(names: readonly string[]): string {
  return names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}

/** What the file of the code is to be. */
export async function engineCode({ folder, texts }: WasmCode): Promise<string> {
  const { parseWat } = await wabt();
  const modules = texts.map((name) => {
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
  const files = listed(texts.map((name) => `${name}.wat`));
  return `/** Made by scripts/wasm from ${files}. */\n${modules.join("")}`;
}
