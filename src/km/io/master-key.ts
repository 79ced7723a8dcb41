/** The master key of the store, from a file: a systemd credential, or a text file of a person's making. */
import { Fault } from "../../base/errors.ts";
import { keyOfHex, withSecretFile } from "../../host/disk/secret-file.ts";

const length = 32;
/** More than any form of it has. */
const most = 256;
const named = { code: "km_store.key", what: "the master key" } as const;

/**
 * Reads 32 bytes: raw, or as 64 hexadecimal digits with or without a line end.
 * @returns memory that the caller wipes
 * @throws Fault `km_store.key`
 */
export function readMasterKey(file: string): Buffer {
  return withSecretFile(file, most, named, (bytes) => {
    if (bytes.length === length) return Buffer.from(new Uint8Array(bytes));
    const key = keyOfHex(bytes);
    if (key?.length === length) return key;
    key?.fill(0);
    throw new Fault("km_store.key", "the master key is 32 bytes, or 64 hexadecimal digits", {
      file,
      bytes: bytes.length,
    });
  });
}
