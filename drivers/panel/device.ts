/**
 * A chassis controller as far as bytes go: whole reports, with their ID in the first byte, to and from
 * it. Used once: after it ended a new one is opened.
 */

export interface PanelDevice {
  /** Settles when the device is gone: with the fault that ended it, or undefined after `close`. */
  readonly ended: Promise<Error | undefined>;
  /**
   * Sends a report. One that is sent while another is still under way is left out: the next one says
   * it all.
   */
  send(report: Buffer): void;
  /** Closes within a second, never rejects, any number of times. */
  close(): Promise<void>;
}

export interface PanelDeviceFactory {
  /** For logs: a device path or an address. */
  readonly where: string;
  /**
   * @param onReport takes each report as it came, of whatever length
   * @throws Fault `link.open`; nothing is left open then
   */
  open(onReport: (report: Buffer) => void): Promise<PanelDevice>;
}
