/** Keys that sign images may be in a token (PKCS#11): their files then have no key, but its URI. */
import { execFileSync } from "node:child_process";
import { generateKeyPairSync, verify } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { type Keys, signBytes } from "../../../scripts/image.d/keys.ts";
import { mkimageKey, sbsignKey, tokenUri } from "../../../scripts/image.d/token.ts";
import { testWith } from "../../needs.ts";
import { pin, SoftHsm } from "../../rig/soft-hsm.ts";

function folderOf(t: import("ava").ExecutionContext): string {
  const folder = mkdtempSync(join(tmpdir(), "qkd-token-"));
  const before = { ...process.env };
  t.teardown(() => {
    for (const name of ["SOFTHSM2_CONF", "PKCS11_MODULE_PATH"]) {
      if (before[name] === undefined) delete process.env[name];
      else process.env[name] = before[name];
    }
    rmSync(folder, { recursive: true });
  });
  return folder;
}

testWith(
  "softhsm2-util",
  "an image is signed by a key that never leaves its token",
  async (t, util) => {
    const folder = folderOf(t);
    const hsm = new SoftHsm(util, folder);
    hsm.makeToken("release");
    process.env.PKCS11_MODULE_PATH = hsm.module;
    const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2_048 });
    const made = join(folder, "made.pem");
    writeFileSync(made, privateKey.export({ type: "pkcs8", format: "pem" }));
    const to = ["--token", "release", "--label", "pi-boot", "--id", "01", "--pin", pin];
    execFileSync(util, ["--import", made, ...to], { stdio: "pipe" });
    rmSync(made);

    const piKey = join(folder, "pi-boot.key");
    // The file has the PIN and nothing else, no end of a line either.
    const pinFile = hsm.writePin("plain", pin);
    const uri = `pkcs11:token=release;object=pi-boot;type=private;pin-source=${pinFile}`;
    writeFileSync(piKey, `${uri}\n`);
    const image = join(folder, "boot.img");
    writeFileSync(image, "an image");
    const signature = await signBytes({ piKey } as Keys, image);
    t.true(verify("sha256", readFileSync(image), publicKey, signature));
    t.deepEqual(await sbsignKey(piKey), ["--engine", "pkcs11", "--key", uri]);
    const short = uri.replace("pkcs11:", "").replace(";type=private", "");
    t.deepEqual(await mkimageKey(piKey, folder), ["-N", "pkcs11", "-k", short]);
  },
);

test("a key in a file is taken as it is; one in a token wants to know the token's module", async (t) => {
  const folder = folderOf(t);
  delete process.env.PKCS11_MODULE_PATH;
  const file = join(folder, "boot.key");
  writeFileSync(file, "-----BEGIN PRIVATE KEY-----\n");
  t.is(await tokenUri(file), undefined);
  t.deepEqual(await mkimageKey(file, folder), ["-k", folder]);
  writeFileSync(file, "pkcs11:token=release;object=boot\n");
  await t.throwsAsync(tokenUri(file), { message: /PKCS11_MODULE_PATH/ });
});
