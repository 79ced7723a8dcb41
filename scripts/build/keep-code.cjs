// Loaded before a program that is built: ends it once it says for the first time what it does, and leaves the code that was
// compiled until then at $QKD_CODE, in the form of start.cjs. That moment is always the same, and so is the code.
"use strict";
const { readFileSync, writeFileSync, writeSync } = require("node:fs");
const { basename } = require("node:path");
const { setFlagsFromString } = require("node:v8");
const vm = require("node:vm");
const { crc32 } = require("node:zlib");

let program;
vm.Script = class extends vm.Script {
  constructor(text, options) {
    // The name is in the code, and replaced by that of the program that it is loaded for.
    super(text, { ...options, filename: `/usr/lib/qkd-node/lib/${basename(options.filename)}` });
    program = { script: this, file: options.filename };
    vm.Script = Object.getPrototypeOf(this.constructor);
  }
};

process.stderr.write = (said) => {
  if (!/msg="starting"/.test(said)) {
    writeSync(2, said);
    process.exit(1);
  }
  // As without flags: V8 takes only code of its own.
  for (const name of ["hash", "random"]) setFlagsFromString(`--${name}-seed=0`);
  const code = program.script.createCachedData();
  const sums = Buffer.alloc(8);
  sums.writeUInt32LE(crc32(readFileSync(program.file)), 0);
  sums.writeUInt32LE(crc32(code), 4);
  writeFileSync(process.env.QKD_CODE, Buffer.concat([sums, code]));
  process.exit(0);
};
