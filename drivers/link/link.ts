/**
 * A link moves bytes to and from a device and knows nothing of what they mean. It is used once:
 * after it ended, a new one is opened. It never retries.
 */

export interface Link {
  /** Settles when the link is gone: with the fault that ended it, or undefined after `close`. */
  readonly ended: Promise<Error | undefined>;
  /** Bytes written here that the device has not taken yet. */
  readonly backlog: number;
  /** Queues bytes for the device. The memory is the link's until the device has taken it. */
  write(bytes: Buffer): void;
  /** Closes within a second, never rejects, any number of times. */
  close(): Promise<void>;
}

export interface LinkFactory {
  /** For logs: a device path or an address. */
  readonly where: string;
  /**
   * What the device tells of itself before anyone speaks with it, as names and values for a person.
   * Disturbs no process that has it open. @throws Fault `link.open`
   */
  inspect?(): Readonly<Record<string, string>>;
  /** Whether the link itself checks all that it carries, as PCIe does each packet. */
  readonly checked: boolean;
  /** The longest QMLP body that suits this link, in bytes: about 100 ms of line time. */
  readonly maxBody: number;
  /**
   * Opens the device.
   * @param onBytes takes what arrives; the chunk is wiped when it returns, since it may be key
   * @throws Fault `link.open`
   */
  open(onBytes: (chunk: Buffer) => void, signal: AbortSignal): Promise<Link>;
}
