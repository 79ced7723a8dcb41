/** Whether npm, which started this process, is there still. */
import { readFileSync } from "node:fs";

/**
 * npm and its shell wait for this process to end. Who kills npm with a signal that it cannot pass on wants an end of this,
 * too; and the shell between them may live on, and wait.
 * @returns whether both are there; always true of a process that npm did not start
 */
export function starter(): () => boolean {
  if (process.env.npm_lifecycle_event === undefined) return () => true;
  const parent = process.ppid;
  // A shell may have made way for this process: then npm itself is the parent.
  const npm = isShell(parent) ? parentOf(parent) : undefined;
  return () => process.ppid === parent && (npm === undefined || parentOf(parent) === npm);
}

/** @returns undefined if the process is gone, or this system has no `/proc` */
function parentOf(pid: number): number | undefined {
  return Number(statOf(pid)?.after[1]) || undefined;
}

function isShell(pid: number): boolean {
  return /^(da|ba|a|k|z)?sh$/.test(statOf(pid)?.name ?? "");
}

/** Of `/proc/PID/stat`: the name, and what follows it: state, parent, and so on. */
function statOf(pid: number): { readonly name: string; readonly after: string[] } | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    const end = text.lastIndexOf(")");
    return { name: text.slice(text.indexOf("(") + 1, end), after: text.slice(end + 2).split(" ") };
  } catch {
    return undefined;
  }
}
