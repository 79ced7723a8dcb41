/** Certificates and keys as texts, read anew each time that they are needed. */
import { errorCode, Fault } from "../../base/errors.ts";
import { readRegularText } from "../disk/regular-file.ts";

export interface TextFiles {
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  readonly crl?: string | undefined;
}

/** @throws Fault `config.file` */
export function readTexts({ ca, cert, key, crl }: TextFiles) {
  return {
    ca: read(ca),
    cert: read(cert),
    key: read(key),
    ...(crl !== undefined && { crl: read(crl) }),
  };
}

function read(file: string | undefined): string {
  if (file === undefined) return "";
  try {
    return readRegularText(file);
  } catch (error) {
    throw new Fault("config.file", "file cannot be read", { file, code: errorCode(error) ?? "?" });
  }
}
