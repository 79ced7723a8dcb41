/**
 * The house in one table: floors from the ground up, what each may see, and what goes for whole rooms.
 * Exceptions are listed here and nowhere else, and there are to be ever fewer of them.
 */

export interface Floor {
  /** A folder, with `/` at its end; the first in the list that fits a file counts. */
  readonly folder: string;
  readonly about: string;
  /** The floors that it may import from, beside itself. */
  readonly sees: readonly string[];
}

export const floors: readonly Floor[] = [
  { folder: "src/base/", about: "what any program needs: time, errors, log", sees: [] },
  { folder: "src/port/", about: "what a driver sees of a node", sees: ["src/base/"] },
  {
    folder: "drivers/etsi014/",
    about:
      "the driver whose module is a server of a network: it speaks an interface of other programs",
    sees: ["src/base/", "src/port/", "src/wire/", "src/host/"],
  },
  {
    folder: "drivers/",
    about: "modules and panels",
    sees: ["src/base/", "src/port/", "drivers/etsi014/"],
  },
  {
    folder: "src/wire/",
    about: "codecs and names of interfaces: bytes in, values out",
    sees: ["src/base/", "src/port/"],
  },
  {
    folder: "src/host/",
    about: "what a daemon needs of its machine; no word of QKD",
    sees: ["src/base/"],
  },
  {
    folder: "src/ops/",
    about: "how a daemon is seen and steered; programs hand it their tables",
    sees: ["src/base/", "src/host/"],
  },
  {
    folder: "src/node/",
    about: "the node controller",
    sees: ["src/base/", "src/port/", "src/wire/", "src/host/", "src/ops/"],
  },
  {
    folder: "src/km/",
    about: "the key manager",
    sees: ["src/base/", "src/port/", "src/wire/", "src/host/", "src/ops/"],
  },
  {
    folder: "src/controller/",
    about: "the QKDN controller: it sees no key byte",
    sees: ["src/base/", "src/wire/", "src/host/", "src/ops/"],
  },
  {
    folder: "src/psk/",
    about: "a tunnel's end: asks a KM for keys, as any application does",
    sees: ["src/base/", "src/port/", "src/wire/", "src/host/"],
  },
  {
    folder: "src/bin/",
    about: "what is started: names the drivers",
    sees: [
      "src/base/",
      "src/port/",
      "drivers/",
      "src/wire/",
      "src/host/",
      "src/ops/",
      "src/node/",
      "src/km/",
      "src/controller/",
      "src/psk/",
    ],
  },
];

/** Rooms without I/O, timers or a clock of their own: all of that is passed in. */
export const pureRooms: readonly string[] = [
  "src/base/",
  "src/port/",
  "src/wire/",
  "src/controller/access/",
  "src/controller/accounting/",
  "src/controller/alarms/",
  "src/controller/commands/",
  "src/controller/core/",
  "src/controller/manager/",
  "src/controller/model/",
  "src/controller/policy/",
  "src/controller/routing/",
  "src/controller/sessions/",
  "src/controller/topology/",
  "src/host/door/",
  "src/ops/alarms/",
  "src/ops/bundle/",
  "src/ops/commands/",
  "src/ops/events/",
  "src/ops/history/",
  "src/ops/manager/",
  "src/ops/metrics/",
  "src/ops/outbox/",
  "src/ops/sparkplug/",
  "src/km/acquisition/",
  "src/km/alarms/",
  "src/km/applications/",
  "src/km/commands/",
  "src/km/controllers/",
  "src/km/history/",
  "src/km/keys/",
  "src/km/link/",
  "src/km/manager/",
  "src/km/matching/",
  "src/km/model/",
  "src/km/nodes/",
  "src/km/peer/",
  "src/km/records/",
  "src/km/relay/",
  "src/km/store/",
  "src/km/supply/",
  "src/node/alarms/",
  "src/node/commands/",
  "src/node/custody/",
  "src/node/history/",
  "src/node/keys/",
  "src/node/kq2/",
  "src/node/ledger/",
  "src/node/manager/",
  "src/node/model/",
  "src/node/module/",
  "src/node/on-request/",
  "src/node/spool/",
  "src/node/state/",
  "src/node/telemetry/",
  "src/psk/rotation/",
];

/** Files in pure rooms that are not, and why. */
export const impure: Readonly<Record<string, string>> = {
  "src/base/clock.ts": "it is the clock that is passed in",
  "src/node/custody/releases.ts": "gathers one turn's releases by queueMicrotask",
};

/** Single files of drivers and surfaces that are pure. */
export const pureFiles: readonly RegExp[] = [
  /^drivers\/qmlp\/(?!kind\.ts|line\.ts)/,
  /^drivers\/qcrypto\/(file|notification|stock|rates)\.ts$/,
  /^drivers\/skeleton\/messages\.ts$/,
  /^drivers\/etsi014\/(?!kind\.ts|kme-client\.ts|peer-line\.ts|peer-door\.ts|figures-source\.ts|session\.ts)/,
  /^drivers\/panel\/(report|button|lights|relay)\.ts$/,
  /^src\/host\/config\/(lines|password|problems|redact|toml)\.ts$/,
  /^src\/host\/grpc\/(message-cutter|status)\.ts$/,
  /^src\/host\/terminal\/(ascii|table|units)\.ts$/,
  /^src\/ops\/cli\/(since|shapes)\.ts$/,
  /^src\/ops\/doctor\/(finding|health)\.ts$/,
  /^src\/ops\/local\/(lines|log-ring|paths|protocol)\.ts$/,
  /^src\/ops\/site\/(decide|manifest)\.ts$/,
  /^src\/ops\/update\/(allowance|slots)\.ts$/,
  /^src\/node\/cli\/(command-info|commands|console-rules|help|schema\w*|schema-parts|schema-status)\.ts$/,
  /^src\/node\/config\/redact\.ts$/,
  /^src\/node\/doctor\/subject\.ts$/,
  /^src\/node\/local\/answers\.ts$/,
  /^src\/node\/panel\/(guard|zeroizer)\.ts$/,
];

/** The whole configuration of a program, and who sees it; all other rooms are handed single tables of it. */
export const wholeConfigs: readonly {
  readonly file: string;
  readonly seenBy: readonly string[];
}[] = ["src/node/", "src/km/", "src/controller/"].map((program) => ({
  file: `${program}config/load.ts`,
  seenBy: ["config/", "main.ts", "cli/", "doctor/"].map((room) => program + room),
}));

/** Rooms that may have key bytes in their hands: those that import `src/port/key.ts`. */
export const keyRooms: readonly string[] = [
  "drivers/",
  "src/port/",
  "src/wire/kq1/",
  "src/km/acquisition/",
  "src/km/io/",
  "src/km/keys/",
  "src/km/relay/",
  "src/node/custody/",
  "src/node/io/",
  "src/node/keys/",
  "src/node/ledger/",
  "src/node/on-request/",
  "src/node/spool/",
  "src/psk/io/",
  "test/",
  "scripts/",
];

/** The floor of a file; undefined for one that stands beside the house. */
export function floorOf(file: string): Floor | undefined {
  return floors.find(({ folder }) => file.startsWith(folder));
}

/** The room of a file: its folder. */
export function roomOf(file: string): string {
  return file.slice(0, file.lastIndexOf("/") + 1);
}
