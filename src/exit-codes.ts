/** Exit codes by sysexits.h, so that systemd and scripts can tell what went wrong. */
export const exit = {
  ok: 0,
  /** wrong command line */
  usage: 64,
  /** what was asked for does not answer */
  unavailable: 69,
  /** an internal error: please report it */
  software: 70,
  /** a file or device that must be there cannot be used */
  io: 74,
  /** the configuration cannot be used */
  config: 78,
} as const;
