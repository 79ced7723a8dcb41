/** A whole link with keys in stock, and a folder with the files of an application of each end. */
import { execFile } from "node:child_process";
import { copyFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import type { ExecutionContext } from "ava";
import { systemClock } from "../../src/base/clock.ts";
import { seedSource } from "../emulator/source/seed.ts";
import { ApplicationClient } from "./application.ts";
import type { KmPair, PairApplication } from "./km-pair.ts";
import { Rig } from "./rig.ts";

export interface TwoApplications {
  readonly kms: KmPair;
  /** Has `ca.crt`, and certificate and key of each by its SAE ID. */
  readonly folder: string;
  /** What a person types there. @throws Error with what it complains of */
  readonly type: (script: string) => Promise<string>;
}

export async function twoApplications(t: ExecutionContext): Promise<TwoApplications> {
  const rig = await Rig.start({
    source: seedSource({ seed: 3, blockBits: 8_192, blocks: 20, clock: systemClock }),
    baud: 0,
    keyBits: 256,
    realKms: true,
  });
  t.teardown(() => rig.close());
  const kms = rig.kms as KmPair;
  const folder = join(rig.folder, "use");
  mkdirSync(folder);
  for (const { applications } of kms.kms) {
    const { saeId, ca, cert, key } = applications[0] as PairApplication;
    copyFileSync(ca, join(folder, "ca.crt"));
    copyFileSync(cert, join(folder, `${saeId}.crt`));
    copyFileSync(key, join(folder, `${saeId}.key`));
  }
  for (const [i, km] of kms.kms.entries()) {
    const client = new ApplicationClient(km, km.applications[0] as PairApplication);
    t.teardown(() => client.close());
    const stock = async () => {
      const { body } = await client.status(i === 0 ? "app-b" : "app-a");
      return (body as { stored_key_count: number }).stored_key_count;
    };
    await rig.until("keys are in stock", stock, { atLeast: 100 });
  }
  const type = async (script: string) => {
    const args = ["-e", "-o", "pipefail", "-c", script];
    return (await promisify(execFile)("bash", args, { cwd: folder })).stdout;
  };
  return { kms, folder, type };
}
