/** A master key that a token wraps, with SoftHSM as the token, and libraries that misbehave. */
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { systemClock } from "../../../../src/base/clock.ts";
import type { Fault, FaultCode } from "../../../../src/base/errors.ts";
import { askToken } from "../../../../src/km/io/hsm/ask.ts";
import type { HsmRequest, Wrapped } from "../../../../src/km/io/hsm/protocol.ts";
import { testWith } from "../../../needs.ts";
import { SoftHsm } from "../../../rig/soft-hsm.ts";

const timeoutMs = 60_000;

function folderOf(t: ExecutionContext): string {
  const folder = mkdtempSync(join(tmpdir(), "qkd-km-hsm-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  return folder;
}

function bench(t: ExecutionContext, util: string) {
  const hsm = new SoftHsm(util, folderOf(t));
  hsm.makeToken("site");
  const request = (act: HsmRequest["act"], more: Partial<HsmRequest> = {}): HsmRequest => ({
    act,
    module: hsm.module,
    token: "site",
    key: "km-a",
    pin_file: hsm.pinFile,
    km: "km-a",
    by_hand: false,
    make_key: false,
    wrapped: [],
    ...more,
  });
  const ask = (act: HsmRequest["act"], more: Partial<HsmRequest> = {}, key?: Buffer) =>
    askToken(request(act, more), timeoutMs, systemClock, key);
  const refused = async (
    code: FaultCode,
    message: RegExp,
    act: HsmRequest["act"],
    more: Partial<HsmRequest>,
  ) => {
    const error = (await t.throwsAsync(ask(act, more), { message })) as Fault;
    t.is(error?.code, code);
    return error;
  };
  return { hsm, ask, refused };
}

testWith(
  "softhsm2-util",
  "a key that the token wrapped is opened by the token alone, for the key manager that it is of",
  async (t, util) => {
    const { ask, refused, hsm } = bench(t, util);
    await refused("hsm.key", /does not have the wrapping key/, "make", {});
    const made = await ask("make", { make_key: true });
    t.like(made, { token: "site", made_key: true, keys: 1 });
    const wrapped = made.wrapped as Wrapped;
    t.false(Buffer.from(wrapped.sealed, "base64").includes(made.masterKeys[0] as Buffer));
    const second = await ask("make");
    t.false(second.made_key);
    t.notDeepEqual(second.masterKeys, made.masterKeys);
    const both = [wrapped, second.wrapped as Wrapped];
    const opened = await ask("open", { wrapped: both, serial: made.serial });
    t.deepEqual(opened.masterKeys, [...made.masterKeys, ...second.masterKeys]);
    const own = randomBytes(32);
    const adopted = await ask("adopt", {}, own);
    const again = await ask("open", { wrapped: [adopted.wrapped as Wrapped] });
    t.deepEqual(again.masterKeys, [own]);

    const ofAnother = { ...wrapped, km: "km-b" };
    await refused("hsm.key", /another key manager/, "open", { wrapped: [ofAnother] });
    await refused("hsm.key", /by another key, or for another/, "open", {
      wrapped: [ofAnother],
      km: "km-b",
    });
    const some = await ask("open", { wrapped: [{ ...wrapped, key: "gone" }, wrapped] });
    t.deepEqual(some.masterKeys, made.masterKeys);
    t.like(some.refused?.[0], { at: 0, facts: { key: "gone", token: "site" } });
    await ask("make", { make_key: true, key: "other" });
    await refused("hsm.key", /by another key/, "open", { wrapped: [{ ...wrapped, key: "other" }] });
    hsm.makeOpenKey("open");
    await refused("hsm.key", /can be read out of the token/, "make", { key: "open" });
  },
);

testWith("softhsm2-util", "what is missing is named: library, token, PIN", async (t, util) => {
  const { hsm, ask, refused } = bench(t, util);
  const { facts } = await refused("hsm.token", /no such token/, "look", { token: "sight" });
  t.deepEqual(facts, { token: "sight", there: "site" });
  t.is((await ask("look")).token, "site");
  hsm.makeToken("site");
  await refused("hsm.token", /two tokens/, "look", {});
  await refused("hsm.library", /can't be loaded/, "look", { module: "/none.so" });
  const noLibrary = hsm.pinFile;
  await refused("hsm.library", /can't be loaded/, "look", { module: noLibrary });
  await refused("hsm.pin", /cannot be read/, "look", { pin_file: "/none" });
  await refused("hsm.pin", /is missing/, "look", { pin_file: hsm.writePin("empty", "\n") });
});

testWith(
  "softhsm2-util",
  "a wrong PIN is tried once: then by a person only, until the right one was given",
  async (t, util) => {
    const { hsm, ask, refused } = bench(t, util);
    await ask("make", { make_key: true });
    const wrong = { pin_file: hsm.writePin("wrong", "1111111") };
    await refused("hsm.pin", /the PIN is wrong/, "make", wrong);
    await refused("hsm.pin", /not tried again by itself/, "make", wrong);
    // Not with the right one either: the token cannot tell before it is tried.
    await refused("hsm.pin", /not tried again by itself/, "make", {});
    await refused("hsm.pin", /the PIN is wrong/, "make", { ...wrong, by_hand: true });
    await ask("make", { by_hand: true });
    t.is((await ask("make")).keys, 1);
  },
);

const crash = `
unsigned long C_GetFunctionList(void **list) { *(volatile int *)0 = 1; return 0; }`;
const hang = `#include <unistd.h>
unsigned long C_GetFunctionList(void **list) { for (;;) pause(); }`;
const leave = `#include <stdlib.h>
unsigned long C_GetFunctionList(void **list) { exit(0); }`;
const babble = `#include <unistd.h>
unsigned long C_GetFunctionList(void **list) {
  write(1, "to the log", 10); write(2, "to the log", 10); write(3, "no answer at all", 16); return 1; }`;

testWith(
  "gcc",
  "a library that crashes, hangs, ends its process or writes where it should not harms nothing but its process",
  async (t, gcc) => {
    const folder = folderOf(t);
    const pinFile = join(folder, "pin");
    writeFileSync(pinFile, "1234", { mode: 0o600 });
    const ask = (name: string, code: string, limitMs = timeoutMs) => {
      const [source, module] = [join(folder, `${name}.c`), join(folder, `${name}.so`)];
      writeFileSync(source, code);
      execFileSync(gcc, ["-shared", "-fPIC", "-w", "-O0", "-o", module, source]);
      return askToken(
        {
          act: "look",
          module,
          token: "x",
          key: "x",
          pin_file: pinFile,
          km: "x",
          by_hand: false,
          make_key: false,
          wrapped: [],
        },
        limitMs,
        systemClock,
      );
    };
    const told = async (asked: Promise<unknown>, code: FaultCode) =>
      t.is(((await t.throwsAsync(asked)) as Fault).code, code);
    await told(ask("crash", crash), "hsm.library");
    await told(ask("hang", hang, 3_000), "hsm.timeout");
    await told(ask("leave", leave), "hsm.library");
    await told(ask("babble", babble), "hsm.library");
  },
);

test("a request that says too little is refused by the child, not by a crash", async (t) => {
  const request = { act: "look" } as unknown as HsmRequest;
  const error = (await t.throwsAsync(askToken(request, timeoutMs, systemClock))) as Fault;
  t.is(error.code, "hsm.io");
});
