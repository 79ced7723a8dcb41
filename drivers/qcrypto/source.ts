/** Where the stack says what it made: a FIFO, or a file that it appends to. */
export interface NotificationSource {
  /** Resolves when what the stack had said before this was opened was read, as far as it can be. */
  past(): Promise<void>;
  /** Resolves when everything that the stack has said so far was read. @throws Fault `link.closed` */
  drained(): Promise<void>;
  /** Whether what has its name now is still what is open. */
  current(): Promise<boolean>;
  close(): Promise<void>;
}
