/** The late world: some of the end-to-end tests, with broker, KM and disk that delay all by 0 to 1 s. */
export default {
  extensions: ["ts"],
  files: [
    "panel",
    "manager-alarms",
    "link",
    "brokers",
    "kept-back",
    "faults",
    "sparkplug",
    "cli",
  ].map((name) => `test/e2e/${name}.test.ts`),
  match: [
    "tamper while keys flow: *",
    "an alarm is raised, told, acknowledged and cleared, *",
    "a KM with a certificate from another CA *",
    "a manager sees both nodes through mosquitto, MQTT 5",
    "what is kept back is listed, *",
    "a damaged ledger closes its module, *",
    "a SCADA host sees the node, *",
    "actions reach the module, *",
  ],
  require: ["./test/worker.ts"],
  environmentVariables: {
    NODE_COMPILE_CACHE: "node_modules/.cache/tests",
    QKD_LATE: process.env.QKD_LATE || "1",
  },
  // They wait more than they compute.
  concurrency: 8,
  workerThreads: false,
  timeout: "2m",
};
