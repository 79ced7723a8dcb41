/** What a module is attached by: a serial port, a PCIe card, a socket. */

export interface TransportHandlers {
  /** Bytes from the node. Valid during the call. */
  bytes(chunk: Buffer): void;
  /** There is room below `lowWater` again. */
  drained(): void;
}

export interface Transport {
  /** What a node's configuration names. */
  readonly path: string;
  /** The module should not queue more than this, bytes. */
  readonly lowWater: number;
  /** Bytes that wait to leave. */
  readonly backlog: number;
  readonly plugged: boolean;
  /** Makes the device appear. */
  plug(): void;
  /** Makes it disappear, with what was on the way. */
  unplug(): void;
  /** Queues bytes for the node, in memory that nobody uses after that; without a device they are lost. */
  send(bytes: Buffer): void;
}
