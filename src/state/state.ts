/** The node's small state: what must survive a restart and is neither key nor history. */
import { type Adapter, Low } from "lowdb";
import * as v from "valibot";
import { errorCode, Fault } from "../port/errors.ts";
import { DurableText } from "./durable.ts";
import { exists, type FileSystem } from "./files.ts";

const count = v.pipe(v.number(), v.integer(), v.minValue(0));

/** An alarm as it was told last; its name is checked by whoever reads it. */
const alarm = v.object({
  id: v.string(),
  name: v.string(),
  object: v.string(),
  severity: v.picklist(["cleared", "warning", "minor", "major", "critical"]),
  active: v.boolean(),
  flapping: v.boolean(),
  acknowledged: v.boolean(),
  acknowledgedBy: v.optional(v.string()),
  value: v.optional(v.number()),
  threshold: v.optional(v.number()),
  detail: v.optional(v.string()),
  raisedAt: v.number(),
  changedAt: v.number(),
  clearedAt: v.optional(v.number()),
  count,
});

const kmProof = { proven: v.string(), slot: v.string() };

/**
 * What a later version adds is kept: a node that fell back to this one must not lose it. Only what
 * this version could not be right without is worth a new format number.
 */
const schema = v.looseObject({
  /** How often the node started on this state; never goes back. */
  boot: count,
  /** Modules whose ledger was made: from then on it must be there. */
  ledgers: v.optional(v.array(v.string())),
  /** Who each KM is, by its configured name, and who it was (`custody/km-identity.ts`). */
  kms: v.optional(
    v.record(
      v.string(),
      v.object({
        ...kmProof,
        same: v.pipe(v.array(v.string()), v.readonly()),
        former: v.pipe(v.array(v.object(kmProof)), v.readonly()),
      }),
    ),
  ),
  /** Alarms that are raised, or whose clearing the manager has not seen. */
  alarms: v.optional(v.array(alarm)),
  /** The last event in the outbox whose alarm is among them. */
  alarms_to: v.optional(count),
  /** Thresholds set by command: module → name → value. */
  thresholds: v.optional(v.record(v.string(), v.record(v.string(), v.number()))),
  /** Command keys: the highest counter seen, and what became of the last commands. */
  commands: v.optional(
    v.record(
      v.string(),
      v.object({
        counter: count,
        recent: v.array(v.object({ id: v.string(), outcome: v.string() })),
      }),
    ),
  ),
  /** What the chassis panel brought about and only an operator ends. */
  panel: v.optional(
    v.object({
      /** The chassis was opened: nothing is supplied. */
      tamper: v.optional(v.object({ at: v.number(), contacts: v.array(count) })),
      /**
       * Modules that are still to be zeroized, and on whose account; of those in `commanded` nothing
       * but a command wanted it, so the others' supply goes on.
       */
      zeroize: v.optional(
        v.object({
          modules: v.array(v.string()),
          cause: v.string(),
          commanded: v.optional(v.array(v.string())),
        }),
      ),
    }),
  ),
});

export type PanelState = NonNullable<v.InferOutput<typeof schema>["panel"]>;
export type AlarmState = v.InferOutput<typeof alarm>;
export type NodeState = v.InferOutput<typeof schema>;

/** lowdb over the two generations; stock lowdb neither fsyncs nor notices a damaged file. */
class DurableAdapter implements Adapter<NodeState> {
  readonly #text: DurableText;

  constructor(text: DurableText) {
    this.#text = text;
  }

  async read(): Promise<NodeState | null> {
    const text = await this.#text.read();
    if (text === undefined) return null;
    try {
      return v.parse(schema, JSON.parse(text));
    } catch {
      throw new Fault("state.corrupt", "state has not the shape that this version knows");
    }
  }

  write(state: NodeState): Promise<void> {
    return this.#text.write(JSON.stringify(state));
  }
}

/**
 * Opens the state in `folder`, makes it there if the folder holds none, and counts this start.
 * @param beside files that are made after the state: where one is there, the state is not new
 * @throws Fault `state.io`, `state.corrupt`: never a silent reset
 */
export async function openState(
  files: FileSystem,
  folder: string,
  beside: readonly string[] = [],
): Promise<Low<NodeState>> {
  await makeStateFolder(files, folder);
  const state = new Low(new DurableAdapter(stateText(files, folder)), { boot: 0 });
  await state.read();
  if (state.data.boot === 0) await refuseIfUsed(files, beside);
  state.data.boot++;
  await state.write();
  return state;
}

function stateText(files: FileSystem, folder: string): DurableText {
  return new DurableText(files, folder, "state");
}

/** The state as it is; undefined where there is none. @throws Fault `state.*` */
export async function readState(files: FileSystem, folder: string): Promise<NodeState | undefined> {
  return (await new DurableAdapter(stateText(files, folder)).read()) ?? undefined;
}

/** @throws Fault `state.io` */
export async function makeStateFolder(files: FileSystem, folder: string): Promise<void> {
  try {
    await files.makeFolder(folder);
  } catch (error) {
    throw new Fault("state.io", "cannot make the state folder", {
      folder,
      code: errorCode(error) ?? "unknown",
    });
  }
}

/** Counters that began at zero again would have commands and events taken for others. */
async function refuseIfUsed(files: FileSystem, beside: readonly string[]): Promise<void> {
  for (const file of beside) {
    const there = await exists(files, file).catch((error: unknown) => {
      throw new Fault("state.io", "cannot read the state folder", {
        file,
        code: errorCode(error) ?? "unknown",
      });
    });
    if (there) {
      throw new Fault("state.corrupt", "the state is gone, but what it counts is there", { file });
    }
  }
}
