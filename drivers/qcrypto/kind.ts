/** `kind = "qcrypto"` in the configuration. */
import * as v from "valibot";
import { within } from "../../src/base/clock.ts";
import { errorCode, Fault } from "../../src/base/errors.ts";
import type { DriverKind } from "../../src/port/driver-kind.ts";
import type { DriverContext, ModuleSink } from "../../src/port/module.ts";
import { KeyFolder } from "./folder.ts";
import { Gone } from "./gone.ts";
import { Journal } from "./journal.ts";
import { Releases } from "./releases.ts";
import { checkEpoch } from "./renamed.ts";
import { QcryptoSession } from "./session.ts";
import { Stock, Told } from "./stock.ts";

const absolute = v.pipe(v.string(), v.startsWith("/", "expected an absolute path"));
const moduleId = v.pipe(
  v.string(),
  v.minLength(1, "expected 1 to 128 characters"),
  v.maxLength(128, "expected 1 to 128 characters"),
  v.check((id) => !/\p{Cc}/u.test(id), "expected no control characters"),
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
/** A session that ended may be busy with the disk for so long before a new one is refused, ms. */
const closingWait = 2_000;

export const qcrypto: DriverKind<Options> = {
  kind: "qcrypto",
  // The figures come by the notifications alone.
  measuresQber: ({ pipe }) => pipe !== undefined,
  options,
  devices: ({ folder, pipe }) => [folder, ...(pipe === undefined ? [] : [pipe])],
  create(chosen, context) {
    const told = new Told();
    let closing = Promise.resolve();
    return {
      kind: "qcrypto",
      where: chosen.folder,
      destroy: () => destroy(chosen, told),
      async connect(sink, signal) {
        const session = await connect(chosen, context, told, closing, sink, signal);
        closing = session.ended.then(() => session.close());
        return session;
      },
    };
  },
};

/** The files are at hand also while the pipe is not. */
async function destroy(chosen: Options, told: Told): Promise<void> {
  const folder = await KeyFolder.open(chosen.folder, chosen.max_block_bytes);
  const stock = new Stock({ notificationWait: 0, incompleteWait: 0 }, told);
  await new Releases(folder, stock, await openGone(chosen)).destroy();
}

function openGone({ folder, epoch }: Options): Promise<Gone> {
  return Gone.open(folder, epoch).catch((error: unknown) => notRead(folder, error));
}

function notRead(folder: string, error: unknown): never {
  if (error instanceof Fault) throw error;
  const facts = { source: folder, code: errorCode(error) ?? "unknown" };
  throw new Fault("link.open", "what was released cannot be read", facts);
}

/** @param closing settles when the session before is closed */
async function connect(
  chosen: Options,
  context: DriverContext,
  told: Told,
  closing: Promise<void>,
  sink: ModuleSink,
  signal: AbortSignal,
): Promise<QcryptoSession> {
  const source = chosen.folder;
  const late = () =>
    new Fault("link.open", "the session before is still being closed", {
      source,
      limit_ms: closingWait,
    });
  await within(context.clock, closingWait, closing, late);
  const folder = await KeyFolder.open(source, chosen.max_block_bytes, context.hold);
  try {
    return await begin(chosen, context, told, folder, sink, signal);
  } catch (error) {
    folder.close();
    throw error;
  }
}

async function begin(
  chosen: Options,
  { clock, log }: DriverContext,
  told: Told,
  folder: KeyFolder,
  sink: ModuleSink,
  signal: AbortSignal,
): Promise<QcryptoSession> {
  const source = chosen.folder;
  await checkEpoch(folder, source, chosen.epoch).catch((error: unknown) => notRead(source, error));
  const wait = chosen.notification_wait_s * 1_000;
  const times = {
    // Without a pipe no notification will ever come.
    notificationWait: chosen.pipe === undefined ? 0 : wait,
    incompleteWait: Math.max(incompleteWait, 5 * wait),
  };
  const stock = new Stock(times, told);
  const journal = new Journal(chosen.folder);
  for (const one of await journal.load(new Set(await folder.list()))) told.add(one);
  const gone = await openGone(chosen);
  // Where the disk takes no writes now, the first release says so.
  await gone.begin().catch(() => {});
  const session = new QcryptoSession({
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
    gone,
    sink,
    clock,
    log,
  });
  try {
    if (chosen.pipe !== undefined) await session.listen(chosen.pipe);
    if (signal.aborted) throw new Fault("stopped", "connecting was stopped", { source });
    return session;
  } catch (error) {
    await session.close();
    throw error;
  }
}
