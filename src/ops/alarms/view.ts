import type { AlarmRecord } from "./alarm.ts";

/** The alarms, for those who publish them. */
export interface AlarmView {
  records(): readonly AlarmRecord[];
  record(id: string): AlarmRecord | undefined;
  /** The broker has seen that an alarm is cleared. */
  forget(id: string): void;
}
