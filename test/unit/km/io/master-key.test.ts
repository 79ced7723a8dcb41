import { randomBytes } from "node:crypto";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { readSecretText } from "../../../../src/host/disk/secret-file.ts";
import { readMasterKey } from "../../../../src/km/io/master-key.ts";

test("a master key is 32 bytes, raw or in hexadecimal, and for no other user's eyes", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "qkd-km-key-"));
  t.teardown(() => rm(folder, { recursive: true }));
  const file = join(folder, "key");
  const key = randomBytes(32);
  const write = (bytes: string | Buffer) => writeFile(file, bytes, { mode: 0o600 });
  t.throws(() => readMasterKey(file), { message: /cannot be read/ });
  const hex = key.toString("hex");
  for (const form of [key, hex, `${hex}\n`, `${hex.toUpperCase()}\r\n`, `\ufeff${hex}\r\n`]) {
    await write(form);
    t.deepEqual(readMasterKey(file), key);
  }
  const wrong = [key.subarray(1), Buffer.concat([key, key]), `${hex}0`, `${hex.slice(1)}g`, ""];
  for (const form of wrong) {
    await write(form);
    const error = t.throws(() => readMasterKey(file), { message: /64 hexadecimal digits/ });
    t.false(error?.message.includes(hex.slice(4, 12)));
  }
  await write(key);
  await chmod(file, 0o604);
  t.throws(() => readMasterKey(file), { message: /can be read by others/ });
});

test("a PIN is what stands between the mark and the line end of an editor on another system", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "qkd-km-pin-"));
  t.teardown(() => rm(folder, { recursive: true }));
  const file = join(folder, "pin");
  const read = () => readSecretText(file, "hsm.pin", "the PIN").toString();
  for (const form of ["1234", "1234\n", "\ufeff1234\r\n"]) {
    await writeFile(file, form, { mode: 0o600 });
    t.is(read(), "1234");
  }
  await writeFile(file, "\ufeff\r\n", { mode: 0o600 });
  t.throws(read, { message: /is missing/ });
});
