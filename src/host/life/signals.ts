/**
 * Signals that end a program in order. They are caught by its first line, before anything else is
 * loaded, and have their effect once there is something to stop. Imports nothing: it is loaded first.
 */

/** What a program does with signals: which end it in order, and which have no effect on it yet. */
export interface Caught {
  readonly stop: readonly NodeJS.Signals[];
  readonly ignored: readonly NodeJS.Signals[];
}

export const daemonSignals: Caught = { stop: ["SIGTERM", "SIGINT"], ignored: ["SIGHUP"] };
/** Ctrl-C is for the program that a console runs; a line that hangs up ends it. */
export const consoleSignals: Caught = { stop: ["SIGTERM", "SIGHUP"], ignored: ["SIGINT"] };

let caught = false;
let stops: readonly NodeJS.Signals[] = [];
let came: NodeJS.Signals | undefined;
/** Signals have their own effect, as if they were not caught. */
let ending = false;
let tell: (signal: NodeJS.Signals) => void;
const requested = new Promise<NodeJS.Signals>((resolve) => {
  tell = resolve;
});

/** Catches signals from now on; the first call counts. */
export function catchSignals({ stop, ignored }: Caught): void {
  if (caught) return;
  caught = true;
  stops = stop;
  for (const signal of [...stop, ...ignored]) {
    process.on(signal, () => {
      if (ending) return end(signal);
      if (!stop.includes(signal)) return;
      came ??= signal;
      tell(signal);
    });
  }
}

/** The first signal that asked to stop; further ones are ignored while the program stops in order. */
export function stopRequested(): Promise<NodeJS.Signals> {
  catchSignals({ ...daemonSignals, ignored: [] });
  return requested;
}

/** Whether a signal has asked to stop so far. */
export async function isStopRequested(): Promise<boolean> {
  // Loading takes no turn of the event loop, and a signal is heard in one.
  await new Promise((resolve) => setImmediate(resolve));
  return came !== undefined;
}

/** Signals end the program from now on, as if they had never been caught. */
export function endBySignals(): void {
  // Listeners stay: what came and was not heard yet would be lost with them.
  ending = true;
  if (came !== undefined) end(came);
}

/**
 * Signals that stop end the program at once while `act` runs: it waits without turns of the event loop, in which alone
 * they would be heard, and nothing was begun that would have to be ended in order.
 */
export function endableWhile<T>(act: () => T): T {
  const heard = stops.map((signal) => [signal, process.listeners(signal)] as const);
  for (const [signal] of heard) process.removeAllListeners(signal);
  try {
    return act();
  } finally {
    for (const [signal, listeners] of heard) {
      for (const listener of listeners) process.on(signal, listener);
    }
  }
}

function end(signal: NodeJS.Signals): void {
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
}
