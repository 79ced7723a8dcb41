/** Something that happened, for the manager's event log. */
export interface NodeEvent {
  readonly type: string;
  readonly module?: string;
  /** ms since 1970 UTC */
  readonly at: number;
  readonly facts: Readonly<Record<string, string | number | boolean>>;
  /** Comes often and is counted elsewhere: the first to be given up when there are too many. */
  readonly routine?: boolean;
}
