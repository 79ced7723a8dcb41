/** What is asked of a program of ours in a guest, whichever it is. */
import type { ExecutionContext } from "ava";
import type { Machine } from "./machine.ts";

/** All of a board's memory that is ours, MB: issue of a board of 1 GB. */
const mostMemoryMb = 220;

async function pidOf(board: Machine, unit: string): Promise<string> {
  return (await board.sh(`systemctl show -P MainPID ${unit}`)).trim();
}

/** All of them together have room on a board of 1 GB. @returns MB of each that runs */
export async function haveRoom(
  t: ExecutionContext,
  board: Machine,
  units: readonly string[],
): Promise<Record<string, number>> {
  const sizes: Record<string, number> = {};
  for (const unit of units) {
    const pid = await pidOf(board, unit);
    if (pid === "0") continue;
    const kib = Number(await board.sh(`grep VmRSS /proc/${pid}/status | tr -dc 0-9`));
    sizes[unit] = Math.round(kib / 1_000);
  }
  const all = Object.values(sizes).reduce((sum, one) => sum + one, 0);
  t.true(all <= mostMemoryMb, JSON.stringify(sizes));
  return sizes;
}

/** @param hidden folders of which it sees nothing @returns how exposed systemd finds it */
export async function isConfined(
  t: ExecutionContext,
  board: Machine,
  unit: string,
  hidden: readonly string[],
): Promise<string | undefined> {
  const pid = await pidOf(board, unit);
  const status = await board.sh(`cat /proc/${pid}/status`);
  t.regex(status, /CapBnd:\s+0000000000000000/);
  t.regex(status, /Seccomp:\s+2/);
  for (const folder of hidden) {
    t.not((await board.run(`nsenter -t ${pid} -m ls ${folder}/ | grep .`)).code, 0, folder);
  }
  const exposure = await board.sh(
    `systemd-analyze security --no-pager ${unit}.service | tail -n 1`,
    300,
  );
  const found = /[\d.]+/.exec(exposure.replace(/^.*service:/, ""))?.[0];
  t.true(Number(found) <= 1.5, exposure);
  return found;
}

/** What a start has kept waiting comes to an end in its own time. */
export async function doctorIsContent(
  t: ExecutionContext,
  board: Machine,
  program: string,
): Promise<void> {
  let said = await board.run(`${program} doctor`, 300);
  await board
    .until(async () => {
      if (said.code !== 0) said = await board.run(`${program} doctor`, 300);
      return said.code === 0;
    })
    .catch(() => {});
  t.is(said.code, 0, said.output);
  t.notRegex(said.output, /\bFAIL\b/i, program);
}

/**
 * A configuration that was changed on the disk is refused, which the console says; then it is as it was again.
 * @param name `km`: of `qkd-km` and `km.toml` @param change what is done to the file `$file`
 */
export async function changedIsRefused(
  t: ExecutionContext,
  board: Machine,
  name: string,
  change: string,
): Promise<void> {
  const unit = `qkd-${name}`;
  const file = `/etc/qkd-node/site/${name}.toml`;
  await board.sh(
    `file=${file}; cp $file /run/was.toml && ${change} && systemctl restart ${unit} || true`,
    300,
  );
  await board.until(async () =>
    /^failed/.test((await board.run(`systemctl is-failed ${unit}`)).output),
  );
  t.is((await board.sh(`systemctl show -P ExecMainStatus ${unit}`)).trim(), "78");
  await board.until(() => board.console.includes(`not what was taken: ${name}.toml was changed`));
  await board.sh(
    `cp /run/was.toml ${file} && systemctl reset-failed ${unit} && systemctl restart ${unit}`,
    300,
  );
}
