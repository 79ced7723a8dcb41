// Starts the program that is beside this file, of the same name, with the code that the build has compiled. Node.js' own
// cache has what is compiled as a file is loaded, and not the thousand functions that a start then calls.
"use strict";
const { readFileSync } = require("node:fs");
const { join } = require("node:path");
const { constants, Script } = require("node:vm");
const { crc32 } = require("node:zlib");

const file = __filename.replace(/\.cjs$/, ".js");
const bytes = readFileSync(file);
const script = new Script(
  `(function (exports, require, module, __filename, __dirname) {${bytes}\n})`,
  {
    filename: file,
    // V8 refuses code of another version, architecture or flags by itself, and then compiles.
    cachedData: compiled(),
    importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
  },
);
script.runInThisContext()(exports, require, module, __filename, __dirname);

// Check sums of program and code come first: V8 does not look whether the code is whole, nor of this very program.
function compiled() {
  const name = file.slice(__dirname.length + 1, -".js".length);
  try {
    const code = readFileSync(join(__dirname, "../code", `${name}-${process.arch}`));
    const isOfThis = code.readUInt32LE(0) === crc32(bytes);
    const isWhole = code.readUInt32LE(4) === crc32(code.subarray(8));
    if (isOfThis && isWhole) return code.subarray(8);
  } catch {
    // A start without it takes longer.
  }
  return undefined;
}
