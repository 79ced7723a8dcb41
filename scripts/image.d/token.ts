/**
 * A key that signs is a file, or it is in a token (an HSM) and the file has its URI as its one line:
 * `pkcs11:token=release;object=boot;type=private;pin-source=/run/release-pin` (RFC 7512).
 */
import { open } from "node:fs/promises";
import { ImageError } from "./run.ts";

/** A URI is shorter, bytes. */
const longest = 4_096;

/** @returns the URI of a key in a token; undefined: the file is the key. @throws ImageError if no module is named */
export async function tokenUri(file: string): Promise<string | undefined> {
  const handle = await open(file);
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(longest), 0, longest, 0);
    const text = buffer.toString("latin1", 0, bytesRead).trim();
    if (!text.startsWith("pkcs11:")) return undefined;
    if (process.env.PKCS11_MODULE_PATH === undefined) {
      throw new ImageError(
        `${file} names a key in a token: PKCS11_MODULE_PATH is to name the token's module (a .so)`,
      );
    }
    return text;
  } finally {
    await handle.close();
  }
}

/** Words by which openssl signs. */
export async function opensslKey(file: string): Promise<readonly string[]> {
  const uri = await tokenUri(file);
  return uri === undefined
    ? ["-sign", file]
    : ["-engine", "pkcs11", "-keyform", "engine", "-sign", uri];
}

/** Words by which sbsign signs. */
export async function sbsignKey(file: string): Promise<readonly string[]> {
  const uri = await tokenUri(file);
  return uri === undefined ? ["--key", file] : ["--engine", "pkcs11", "--key", uri];
}

/** Words by which mkimage signs; it puts `pkcs11:` and the kind before and after the URI itself. */
export async function mkimageKey(file: string, folder: string): Promise<readonly string[]> {
  const uri = await tokenUri(file);
  if (uri === undefined) return ["-k", folder];
  return ["-N", "pkcs11", "-k", uri.replace(/^pkcs11:/, "").replace(/;type=private/, "")];
}
