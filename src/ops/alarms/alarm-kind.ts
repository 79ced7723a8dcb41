/** What an alarm is: how it is told, and what a person is told of it. */
import type { Severity } from "./severity.ts";

export type EventType =
  | "communications"
  | "quality_of_service"
  | "processing_error"
  | "equipment"
  | "environmental"
  | "security";

export interface AlarmKind {
  readonly type: EventType;
  /** X.733 or X.736 probable cause. */
  readonly cause: string;
  /** Severities that it may have, worst first. */
  readonly severities: readonly [Severity, ...Severity[]];
  /** Stays until it was acknowledged, also when what raised it is over. */
  readonly latched?: true;
  /**
   * Reported by another part rather than measured: no measurement ends it, only the part that reported it
   * does. Acknowledging it clears it.
   */
  readonly told?: true;
  /** The condition must last this long before the alarm is raised, ms; default 0. */
  readonly raiseAfterMs?: number;
  /** The condition must be gone this long before the alarm is cleared, ms; default 30 s. */
  readonly clearAfterMs?: number;
  /** For what merely occurs: over when it did not occur again for this long, ms. */
  readonly quietMs?: number;
  /** What is the matter, for a person; one line. */
  readonly text: string;
  /** What to do about it. */
  readonly action: string;
}
