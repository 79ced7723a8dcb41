/**
 * A scenario: commands at their times. A text file, one command a line:
 *
 *     # a comment
 *     06:00        set eve 0.4        at that time since the start (hours:minutes[:seconds])
 *     90s          bob unplug         the same, as a duration
 *     +10s         bob plug           after the line before
 *     repeat 24h                      from the beginning again, after that time
 */
import type { Clock, Timer } from "../../../src/base/clock.ts";
import { describe, Fault } from "../../../src/base/errors.ts";
import { type Action, readCommand } from "./commands.ts";
import { duration } from "./words.ts";

export interface Step {
  /** ms since the scenario began, of its own time. */
  readonly at: number;
  /** As written. */
  readonly text: string;
  readonly action: Action;
}

export interface Scenario {
  readonly steps: readonly Step[];
  /** Length of one round, ms; undefined: it is played once. */
  readonly period: number | undefined;
}

function time(word: string, before: number): number {
  const clock = /^(\d{1,3}):([0-5]\d)(?::([0-5]\d))?$/.exec(word);
  if (clock !== null) {
    const [, hours, minutes, seconds = "0"] = clock;
    return (Number(hours) * 3_600 + Number(minutes) * 60 + Number(seconds)) * 1_000;
  }
  return word.startsWith("+") ? before + duration(word.slice(1)) : duration(word);
}

/**
 * @param file its name, for messages
 * @throws Fault `config.value` that names file, line and word
 */
export function readScenario(text: string, file: string): Scenario {
  const steps: Step[] = [];
  let period: number | undefined;
  let before = 0;
  text.split("\n").forEach((line, i) => {
    const content = line.replace(/#.*/, "").trim();
    if (content === "") return;
    try {
      const [first = "", ...rest] = content.split(/\s+/);
      if (period !== undefined) throw new Fault("config.value", "repeat must be the last line");
      if (first === "repeat") {
        period = duration(rest[0] ?? "");
        if (rest.length > 1) throw new Fault("config.value", "repeat is written: repeat TIME");
        if (period < before || period === 0) {
          throw new Fault("config.value", "repeat is earlier than the line before");
        }
        return;
      }
      const at = time(first, before);
      if (at < before) throw new Fault("config.value", "time goes back");
      before = at;
      const command = rest.join(" ");
      steps.push({ at, text: command, action: readCommand(command) });
    } catch (error) {
      throw new Fault("config.value", `${file}:${i + 1}: ${describe(error)}`);
    }
  });
  return { steps, period };
}

/**
 * Plays a scenario; what stands at its beginning is done before this returns.
 * @param act does a step; what it throws ends the scenario
 * @returns ends it
 */
export function play(scenario: Scenario, clock: Clock, act: (step: Step) => void): () => void {
  const { steps, period } = scenario;
  const begun = clock.now();
  let round = 0;
  let next = 0;
  let stopped = false;
  let timer: Timer | undefined;
  go();
  function go(): void {
    while (!stopped) {
      if (next === steps.length) {
        if (period === undefined || steps.length === 0) return;
        next = 0;
        round++;
      }
      const step = steps[next] as Step;
      const wait = begun + round * (period ?? 0) + step.at - clock.now();
      if (wait > 0) {
        timer = clock.after(wait, go);
        return;
      }
      next++;
      act(step);
    }
  }
  return () => {
    stopped = true;
    timer?.cancel();
  };
}

/** A clock that goes `factor` times as fast, for scenarios and physics; waits become shorter. */
export function fasterClock(clock: Clock, factor: number): Clock {
  return {
    now: () => clock.now() * factor,
    wall: () => clock.wall(),
    after: (ms, fn) => clock.after(ms / factor, fn),
  };
}
