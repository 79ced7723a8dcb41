/** What to do about a module that does not answer: by the reason, in the words of the drivers' faults. Pure. */

const rows: readonly (readonly [RegExp, string])[] = [
  [
    /another \w+ has/,
    "find it with fuser -v (of a folder: of .lock in it) and end it, or wait until it is done",
  ],
  [
    /another module answers|paired with another|does not tell its matching/,
    "find out who exchanged it; if it was meant: qkd-node doctor says how to tell the node",
  ],
  // Before what is said of lines: a KME's own reasons are of its network and its certificates.
  [/\bKME\b/, "check the KME, the network and the certificates of both; its log may say why"],
  [/no such device/, "check power and cable; after plugging in, dmesg should name the device"],
  [
    /permission denied/,
    "let the node's user open the device: its group and mode; qkd-node doctor looks at it",
  ],
  [
    /card is not ready/,
    "see the card's manual: its firmware has to be loaded, or it reports a fault",
  ],
  [/is zeroized/, "its key was destroyed: see the module's manual how it is taken into use again"],
  [
    /module refused|module is busy|no common protocol version|chose a version/,
    "the module wants another version of the protocol, or has another session: power-cycle it",
  ],
  [
    /QMLP answers|takes no more bytes|the device hangs|module is silent/,
    "check that the module has power and has booted, that both ends use the same baud rate, and that " +
      "RX and TX are not swapped; qkd-node probe DEVICE --baud N tries another rate",
  ],
];

/** @param why in the words of the fault @returns undefined if nothing is known of such a reason */
export function adviceOf(why: string): string | undefined {
  return rows.find(([pattern]) => pattern.test(why))?.[1];
}
