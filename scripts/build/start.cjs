// Starts the program that is beside this file, of the same name, with the code that the build has compiled. Node.js' own
// cache has what is compiled as a file is loaded, and not the thousand functions that a start then calls.
// The file is one function of what Node.js gives to a module: to put that round it here would take its memory twice.
"use strict";
const { readFileSync } = require("node:fs");
const { join } = require("node:path");
const { Script } = require("node:vm");
const { crc32 } = require("node:zlib");

load(__filename.replace(/\.cjs$/, ".js"))(exports, require, module, __filename, __dirname);

function load(file) {
  const bytes = readFileSync(file);
  const code = compiled(file, bytes);
  const script = new Script(bytes.toString(), {
    filename: file,
    // V8 refuses code of another version, architecture or flags by itself, and then compiles.
    cachedData: code?.subarray(8),
  });
  // V8 has what it needs of both: nothing keeps the memory until the garbage is collected.
  for (const { buffer } of [bytes, ...(code ? [code] : [])]) buffer.transfer(0);
  return script.runInThisContext();
}

// Check sums of program and code come first: V8 does not look whether the code is whole, nor of this very program.
function compiled(file, bytes) {
  const name = file.slice(__dirname.length + 1, -".js".length);
  try {
    const code = readFileSync(join(__dirname, "../code", `${name}-${process.arch}`));
    const isOfThis = code.readUInt32LE(0) === crc32(bytes);
    const isWhole = code.readUInt32LE(4) === crc32(code.subarray(8));
    if (isOfThis && isWhole) return code;
  } catch {
    // A start without it takes longer.
  }
  return undefined;
}
