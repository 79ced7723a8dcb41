/** What is said of a master key in a token before a start that would fail: `hsm check`, and the doctor. */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ExecutionContext } from "ava";
import { systemClock } from "../../../../src/base/clock.ts";
import { exit } from "../../../../src/base/exit-codes.ts";
import { diskFiles } from "../../../../src/host/disk/files.ts";
import { parseKmConfig } from "../../../../src/km/config/load.ts";
import { checkMasterKey } from "../../../../src/km/doctor/master-key.ts";
import { Keyring } from "../../../../src/km/io/engine/keyring.ts";
import { askToken } from "../../../../src/km/io/hsm/ask.ts";
import type { Wrapped } from "../../../../src/km/io/hsm/protocol.ts";
import { hsmRequest } from "../../../../src/km/io/master-key-source.ts";
import { testWith } from "../../../needs.ts";
import { programPath } from "../../../rig/programs.ts";
import { SoftHsm } from "../../../rig/soft-hsm.ts";

async function bench(t: ExecutionContext, util: string) {
  const folder = mkdtempSync(join(tmpdir(), "qkd-km-hsm-cli-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const hsm = new SoftHsm(util, folder);
  hsm.makeToken("site");
  const [state, file] = [join(folder, "state"), join(folder, "km.toml")];
  mkdirSync(join(state, "store"), { recursive: true });
  const text = `[km]\nid = "km-a"\nstate_dir = "${state}"\n[store.hsm]\nmodule = "${hsm.module}"\ntoken = "site"\npin_file = "${hsm.pinFile}"\n`;
  writeFileSync(file, text);
  const config = parseKmConfig(text, file);
  const make = async () => {
    const request = hsmRequest(config, "make", { make_key: true });
    const { masterKeys, wrapped } = await askToken(request, 60_000, systemClock);
    return { key: masterKeys[0] as Buffer, wrapped: wrapped as Wrapped };
  };
  const path = join(state, "master-key.hsm");
  const put = (wrapped: Wrapped | string, at = path) =>
    writeFileSync(at, typeof wrapped === "string" ? wrapped : JSON.stringify(wrapped));
  const makeStore = (key: Buffer) =>
    new Keyring(diskFiles, join(state, "store"), randomBytes).open(key, true);
  const check = async (...args: string[]) => {
    const command = programPath("qkd-km");
    const child = spawn(command, ["hsm", "check", "--config", file, ...args], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let out = "";
    child.stdout.setEncoding("utf8").on("data", (part: string) => {
      out += part;
    });
    const [code] = await once(child, "close");
    return { code: code as number, out };
  };
  return { folder, config, path, next: `${path}.next`, make, put, makeStore, check };
}

testWith(
  "softhsm2-util",
  "hsm check says which of the wrapped keys opens the store, and fails if none does",
  async (t, util) => {
    t.timeout(120_000);
    const { path, next, make, put, makeStore, check } = await bench(t, util);
    const [before, now] = [await make(), await make()];
    put(now.wrapped);
    const first = await check();
    t.is(first.code, exit.ok);
    t.regex(first.out, /master-key\.hsm, wrapped by km-a: there is no store yet/);
    await makeStore(now.key);
    const good = await check();
    t.is(good.code, exit.ok);
    t.regex(good.out, /master-key\.hsm, wrapped by km-a: opens the store/);

    put(before.wrapped);
    const bad = await check();
    t.is(bad.code, exit.failed);
    t.regex(bad.out, /master-key\.hsm, wrapped by km-a: is not that of the store\nNone opens/);
    put(now.wrapped, next);
    const moved = await check("--json");
    t.is(moved.code, exit.ok);
    const told = JSON.parse(moved.out);
    t.like(told, { token: "site", key: "km-a", file: next, good: true });
    t.deepEqual(told.files, [
      { file: path, key: "km-a", opens_store: false },
      { file: next, key: "km-a", opens_store: true },
    ]);

    put(now.wrapped);
    put({ ...before.wrapped, key: "gone" }, next);
    const left = await check();
    t.is(left.code, exit.ok);
    t.regex(left.out, /master-key\.hsm, wrapped by km-a: opens the store\n/);
    t.regex(left.out, /can't be had: the token does not have the wrapping key .*hsm\.next/);
  },
);

testWith(
  "softhsm2-util",
  "the doctor looks for the token of a key manager that runs, too",
  async (t, util) => {
    const { folder, config, path, next, make, put, makeStore } = await bench(t, util);
    const { key, wrapped } = await make();
    const found = (runs: boolean) => checkMasterKey(config, runs);
    t.like(await found(false), {
      status: "fail",
      detail: `${path} is not there: no start without it`,
    });
    put(wrapped);
    t.like(await found(true), { status: "ok" });
    t.like(await found(false), { status: "skip" });
    put(wrapped, next);
    t.like(await found(true), {
      status: "warn",
      detail: `in a token; ${next} is left of a re-key`,
    });
    rmSync(next);
    put("x");
    const damaged = await found(true);
    t.is(damaged.status, "fail");
    t.regex(damaged.detail, /the next start would fail: the file with the wrapped.*damaged/);
    put(wrapped);

    renameSync(join(folder, "tokens"), join(folder, "away"));
    mkdirSync(join(folder, "tokens"));
    const gone = await found(true);
    t.is(gone.status, "fail");
    t.regex(
      gone.detail,
      /the store is open, and the next start would fail: there is no such token/,
    );
    t.is((await found(false)).status, "fail");
    // Unless the store has the key of a file.
    const master_key_next_file = join(folder, "next");
    const both = { ...config, store: { ...config.store, master_key_next_file } };
    t.is((await checkMasterKey(both, true)).status, "fail");
    await makeStore(key);
    writeFileSync(master_key_next_file, key, { mode: 0o600 });
    t.is((await checkMasterKey(both, true)).status, "warn");
  },
);
