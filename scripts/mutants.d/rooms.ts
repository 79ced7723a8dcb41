/** Rooms whose tests are tried with planted mistakes. */
export interface Room {
  readonly name: string;
  /** Folders and files that mistakes are planted in. */
  readonly sources: readonly string[];
  /** What has to find them. */
  readonly tests: readonly string[];
  /** How many are planted unless said otherwise. */
  readonly count: number;
}

export const rooms: readonly Room[] = [
  {
    name: "custody",
    sources: ["src/node/custody/", "src/node/keys/life.ts"],
    tests: [
      "test/unit/node/custody",
      "test/unit/node/keys",
      "test/unit/node/ledger/custody-cuts.test.ts",
      "test/unit/node/on-request",
      "!test/unit/node/custody/disk-faults.test.ts",
    ],
    count: 24,
  },
  {
    name: "ledger",
    sources: ["src/node/ledger/"],
    tests: [
      "test/unit/node/ledger",
      "test/unit/node/keys",
      "test/unit/node/custody/disk-faults.test.ts",
    ],
    count: 16,
  },
  {
    name: "on-request",
    sources: ["src/node/on-request/"],
    tests: [
      "test/unit/node/on-request",
      "test/unit/node/custody/custody-modes.test.ts",
      "test/unit/node/ledger/channel-mode.test.ts",
    ],
    count: 12,
  },
  {
    name: "kq1",
    sources: ["src/wire/kq1/"],
    tests: ["test/unit/wire/kq1", "test/unit/host/door/door.test.ts"],
    count: 12,
  },
  {
    name: "ck",
    sources: ["src/wire/ck/"],
    tests: ["test/unit/wire/ck"],
    count: 12,
  },
  {
    name: "alarms",
    sources: [
      "src/node/alarms/module-rules.ts",
      "src/node/alarms/supply-rules.ts",
      "src/node/alarms/node-rules.ts",
      "src/ops/alarms/machine-alarms.ts",
    ],
    tests: ["test/unit/node/alarms"],
    count: 12,
  },
  {
    name: "kq2",
    sources: ["src/node/kq2/", "src/km/nodes/"],
    tests: ["test/unit/node/kq2", "test/unit/km/nodes"],
    count: 12,
  },
];
