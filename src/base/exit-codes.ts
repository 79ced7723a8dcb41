/** Exit codes by sysexits.h, so that systemd and scripts can tell what went wrong. */
export const exit = {
  ok: 0,
  /** wrong command line */
  usage: 64,
  /** it was asked, and the answer is no: a check or an action failed */
  failed: 1,
  /** what was asked for does not answer */
  unavailable: 69,
  /** an internal error: please report it */
  software: 70,
  /** a file or device that must be there cannot be used, or the output cannot be written */
  io: 74,
  /** a file cannot be made */
  cantCreate: 73,
  /** not now: try again */
  tryAgain: 75,
  /** the other side speaks another version */
  protocol: 76,
  /** this user may not */
  noPermission: 77,
  /** the configuration cannot be used */
  config: 78,
} as const;
