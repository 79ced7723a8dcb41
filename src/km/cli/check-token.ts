/** What `check-config` finds out about a token: all that can be seen without a PIN. */
import { systemClock } from "../../base/clock.ts";
import { describe, Fault } from "../../base/errors.ts";
import type { Problem } from "../../host/config/problems.ts";
import { diskFiles } from "../../host/disk/files.ts";
import type { KmConfig } from "../config/load.ts";
import { askToken } from "../io/hsm/ask.ts";
import { WrappedFiles } from "../io/hsm/wrapped-file.ts";
import { hsmRequest } from "../io/master-key-source.ts";

const keyOf: Readonly<Record<string, string>> = {
  "hsm.token": "store.hsm.token",
  "hsm.pin": "store.hsm.pin_file",
  "hsm.key": "store.hsm.key",
};

export async function tokenProblems(config: KmConfig): Promise<Problem[]> {
  const { hsm } = config.store;
  if (hsm === undefined) return [];
  try {
    await askToken(hsmRequest(config, "look"), hsm.answer_timeout, systemClock);
    const files = new WrappedFiles(diskFiles, config.km.state_dir);
    if ((await files.read(files.path)) !== undefined) return [];
    const what = `there is no wrapped master key yet (${files.path}): qkd-km hsm init`;
    return [{ key: "store.hsm.key", what }];
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return [{ key: keyOf[error.code] ?? "store.hsm.module", what: describe(error) }];
  }
}
