/** `qkd-km store check|repair`: looks at the store of a key manager that is stopped. */
import { systemClock } from "../../base/clock.ts";
import { exit } from "../../base/exit-codes.ts";
import { facts } from "../../host/terminal/table.ts";
import { bytes, whole } from "../../host/terminal/units.ts";
import type { KmConfig } from "../config/load.ts";
import { checkStore, isWhole, repairStore, type StoreCheck } from "../io/engine/check.ts";
import { openMasterKey } from "../io/master-key-source.ts";
import { lockAtRest } from "../io/store-lock.ts";

const somethingWrong = 1;

/** @returns the exit code: 1 if something is wrong, or was. @throws Fault `state.locked` while the KM runs */
export async function storeCommand(
  config: KmConfig,
  act: "check" | "repair",
  json: boolean,
): Promise<number> {
  const lock = await lockAtRest(config.km.state_dir);
  let masterKey: Buffer | undefined;
  try {
    masterKey = (await openMasterKey(config, systemClock)).key;
    const options = { folder: `${config.km.state_dir}/store`, masterKey };
    if (act === "check") {
      const check = await checkStore(options);
      process.stdout.write(json ? `${JSON.stringify(check)}\n` : checkText(check));
      return isWhole(check) ? exit.ok : somethingWrong;
    }
    const limitBytes = config.store.limit_mb * 1_000_000;
    const { before, after } = await repairStore({ ...options, limitBytes });
    const text = `Before:\n\n${checkText(before)}\nNow:\n\n${checkText(after)}`;
    process.stdout.write(json ? `${JSON.stringify({ before, after })}\n` : text);
    return isWhole(before) ? exit.ok : somethingWrong;
  } finally {
    masterKey?.fill(0);
    await lock.release();
  }
}

/** In 80 columns: what is there, then what is wrong. */
export function checkText(check: StoreCheck): string {
  const wrong: [string, number][] = [
    ["segments that do not open", check.damaged_segments],
    ["segments whose file is gone", check.missing_segments],
    ["groups of keys that do not open", check.damaged_groups],
    ["keys that waited, and are gone", check.lost_keys],
    ["extents that do not open", check.damaged_extents],
    ["extents whose file is gone", check.missing_extents],
    ["rows of stock without bytes: the next start gives them up", check.rows_alone],
    ["extents without a row", check.extents_alone],
    ["records of use that fit no group", check.damaged_use],
  ];
  const bad = wrong.filter(([, count]) => count > 0);
  const lines = facts(
    [
      ["waiting", `${whole(check.waiting_keys)} QKD-keys, ${bytes(check.waiting_bytes)}`],
      ["used", `${whole(check.used_keys)} QKD-keys, not yet overwritten`],
      ["stock", `${whole(check.extents)} extents, ${bytes(check.extent_bytes)}`],
    ],
    80,
  );
  const verdict =
    bad.length === 0
      ? ["nothing is wrong"]
      : bad.map(([what, count]) => `wrong: ${whole(count)} ${what}`);
  return `${[...lines, "", ...verdict].join("\n")}\n`;
}
