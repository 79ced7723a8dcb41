/** What an application asks for, and what a key manager allows: as tests have it where it does not matter. */
import type { KeyRequest } from "../../src/wire/etsi014/key-request.ts";

export const limits = { standard: 256, least: 64, most: 65_536, number: 128, saes: 15 };

export const twoKeys: KeyRequest = {
  number: 2,
  size: 256,
  additional: [],
  level: "any",
  wish: "any",
  unhandled: false,
};
