/** `kind = "qcrypto"` in the configuration. */
import * as v from "valibot";
import type { DriverKind } from "../../src/port/driver-kind.ts";
import { Fault } from "../../src/port/errors.ts";
import type { DriverContext, ModuleSession, ModuleSink } from "../../src/port/module.ts";
import { KeyFolder } from "./folder.ts";
import { Journal } from "./journal.ts";
import { NotificationPipe } from "./pipe.ts";
import { QcryptoSession } from "./session.ts";
import { Stock, Told } from "./stock.ts";

const absolute = v.pipe(v.string(), v.startsWith("/", "expected an absolute path"));
const moduleId = v.pipe(
  v.string(),
  v.minLength(1, "expected 1 to 128 characters"),
  v.maxLength(128, "expected 1 to 128 characters"),
);

const options = v.strictObject({
  folder: absolute,
  pipe: v.optional(absolute),
  module_id: moduleId,
  matching_module_id: moduleId,
  role: v.picklist(["alice", "bob"]),
  epoch: v.optional(
    v.pipe(v.string(), v.regex(/^[0-9a-f]{16}$/, "expected 16 hex digits")),
    "0000000000000000",
  ),
  max_block_bytes: v.optional(
    v.pipe(v.number(), v.integer(), v.minValue(1_024), v.maxValue(67_108_864)),
    1_048_576,
  ),
  notification_wait_s: v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(3_600)), 2),
});

type Options = v.InferOutput<typeof options>;

/** An incomplete file is given up after this, ms, or five times the wait for its notification. */
const incompleteWait = 10_000;

export const qcrypto: DriverKind<Options> = {
  kind: "qcrypto",
  measuresQber: true,
  options,
  devices: ({ folder, pipe }) => [folder, ...(pipe === undefined ? [] : [pipe])],
  create(chosen, context) {
    const told = new Told();
    return {
      kind: "qcrypto",
      where: chosen.folder,
      connect: (sink, signal) => connect(chosen, context, told, sink, signal),
    };
  },
};

async function connect(
  chosen: Options,
  { clock, log }: DriverContext,
  told: Told,
  sink: ModuleSink,
  signal: AbortSignal,
): Promise<ModuleSession> {
  const source = chosen.folder;
  const folder = await KeyFolder.open(chosen.folder, chosen.max_block_bytes);
  const wait = chosen.notification_wait_s * 1_000;
  const times = {
    // Without a pipe nobody will ever tell.
    notificationWait: chosen.pipe === undefined ? 0 : wait,
    incompleteWait: Math.max(incompleteWait, 5 * wait),
  };
  const stock = new Stock(times, told);
  const journal = new Journal(chosen.folder, () =>
    log.warn("notifications cannot be kept beside the final-key files", { folder: source }),
  );
  for (const one of await journal.load(new Set(await folder.list()))) told.add(one);
  let session: QcryptoSession | undefined;
  const early: Buffer[] = [];
  const pipe =
    chosen.pipe === undefined
      ? undefined
      : await NotificationPipe.open(chosen.pipe, (chunk) => {
          if (session === undefined) early.push(chunk);
          else session.heard(chunk);
        });
  if (signal.aborted) {
    await pipe?.close();
    throw new Fault("stopped", "connecting was stopped", { source });
  }
  session = new QcryptoSession({
    identity: {
      moduleId: chosen.module_id,
      matchingModuleId: chosen.matching_module_id,
      role: chosen.role,
      vendor: "",
      model: "qcrypto",
      serial: "",
      firmware: "",
      protocol: "qcrypto final-key files",
      maxBlockBytes: chosen.max_block_bytes,
    },
    linkEpoch: chosen.epoch,
    folder,
    stock,
    told,
    journal,
    sink,
    clock,
    log,
  });
  if (pipe !== undefined) session.attach(pipe);
  for (const chunk of early) session.heard(chunk);
  return session;
}
