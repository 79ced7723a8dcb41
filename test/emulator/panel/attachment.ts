/** What an emulated controller is attached by. */
export interface Attachment {
  /** For `qkd-panel --device`; empty where the system gives it a name of its own. */
  readonly where: string;
  send(report: Buffer): void;
  /** Pulls its cable. */
  unplug(): Promise<void>;
  plug(): Promise<void>;
  close(): Promise<void>;
}
