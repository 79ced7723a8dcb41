/** Between who carries messages and who carries out commands. */

/** A command as it came. Nothing in it is to be believed before its signature was checked. */
export interface CommandMessage {
  /** The topic's level. */
  readonly command: string;
  readonly payload: Buffer;
  readonly retained: boolean;
}

/** Carries out commands: `handler.ts`. */
export interface CommandPort {
  /** Names of the commands that this program can carry out. */
  readonly available: readonly string[];
  /** @param reply called once, at most, with a result that can be published */
  submit(message: CommandMessage, reply: (result: object) => void): void;
}

export type Facts = Readonly<Record<string, string | number | boolean>>;

/** What became of a command. */
export interface Outcome {
  readonly status: "done" | "failed";
  /** One line; why it failed. */
  readonly reason?: string;
  /** Results, for the answer to the command. */
  readonly facts?: Facts;
}
