/** The node's small state: what must survive a restart and is neither key nor history. */
import { type Adapter, Low } from "lowdb";
import * as v from "valibot";
import { errorCode, Fault } from "../../base/errors.ts";
import { DurableText, type LostGeneration } from "../../host/disk/durable.ts";
import { exists, type FileSystem } from "../../host/disk/files.ts";
import { isAlarmName, kindOf } from "../alarms/catalogue.ts";

const count = v.pipe(v.number(), v.integer(), v.minValue(0));

/** An alarm as it was told last; `alarm-monitor.ts` checks its name. */
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
const decider = v.picklist(["node", "operator"]);
const ledgerAct = v.object({
  what: v.picklist(["adopted", "retired"]),
  /** Names of ledgers. */
  from: v.string(),
  to: v.string(),
  by: decider,
});

/**
 * What a later version adds is kept: a node that fell back to this one must not lose it. Only what
 * this version could not be right without is worth a new format number.
 */
const schema = v.looseObject({
  /** How often the node started on this state; never goes back. */
  boot: count,
  /** The generation that this is, and of which start; an earlier version leaves an older start's. */
  written: v.optional(v.object({ generation: count, boot: count })),
  /** One of the two generations was lost; until an operator acknowledges the alarm. */
  lost: v.optional(
    v.object({
      /** The start that noticed it. */
      boot: count,
      file: v.string(),
      why: v.string(),
    }),
  ),
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
  /** They were lost, with the state: a KM that is not among them may have been another one. */
  kms_lost: v.optional(v.boolean()),
  /** A ledger is being given to another name; completed at the next start if that ends it. */
  adopting: v.optional(v.object({ from: v.string(), to: v.string(), by: decider })),
  /** What was done to ledgers, until it was told. */
  ledger_acts: v.optional(v.array(ledgerAct)),
  /** The outbox was made: from then on it must be there. */
  outbox: v.optional(v.boolean()),
  /** Alarms that are raised, or whose clearing the manager has not seen. */
  alarms: v.optional(v.array(alarm)),
  /** The last event in the outbox whose alarm is among them. */
  alarms_to: v.optional(count),
  /** Thresholds set by command: module → name → value. */
  thresholds: v.optional(v.record(v.string(), v.record(v.string(), v.number()))),
  /** Modules that were told to stop, and not to start since: who said so, and when. */
  stopped: v.optional(v.record(v.string(), v.object({ by: v.string(), at: v.number() }))),
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
export type LedgerAct = v.InferOutput<typeof ledgerAct>;
export type AlarmState = v.InferOutput<typeof alarm>;
export type NodeState = v.InferOutput<typeof schema>;

/**
 * What is acted upon once it is on disk, and must not be older after the loss of one file: all but
 * alarms that are measured anew. A change of it costs a second write of the file: two a start and a
 * latched alarm, four a signed command, one for what the panel or an operator does otherwise.
 */
function reliedUpon({ alarms = [], alarms_to: _, written: _w, ...rest }: NodeState): string {
  const lasting = alarms.filter(({ name, severity, acknowledged }) => {
    if (severity === "cleared") return false;
    const kind = isAlarmName(name) ? kindOf(name) : undefined;
    return acknowledged || kind?.latched === true || kind?.told === true;
  });
  const facts = lasting.map(({ id, acknowledged }) => `${id} ${acknowledged}`);
  return JSON.stringify({ ...rest, alarms: facts });
}

/** lowdb over the two generations; stock lowdb neither fsyncs nor notices a damaged file. */
class DurableAdapter implements Adapter<NodeState> {
  readonly #text: DurableText;
  /** What both generations say of what is relied upon; undefined: they may differ. */
  #onBoth: string | undefined;
  #lost: LostGeneration | undefined;

  constructor(text: DurableText) {
    this.#text = text;
  }

  /** The generation that {@link read} missed. */
  get lost(): LostGeneration | undefined {
    return this.#lost;
  }

  async read(): Promise<NodeState | null> {
    const stored = await this.#text.read();
    this.#lost = stored?.lost;
    if (stored === undefined) return null;
    try {
      return v.parse(schema, JSON.parse(stored.text));
    } catch {
      throw new Fault("state.corrupt", "state has not the shape that this version knows");
    }
  }

  async write(state: NodeState): Promise<void> {
    const relied = reliedUpon(state);
    const both = relied !== this.#onBoth;
    if (both) this.#onBoth = undefined;
    const { boot } = state;
    const text = (generation: number) =>
      JSON.stringify({ ...state, written: { generation, boot } } satisfies NodeState);
    await this.#text.write(text, both);
    this.#onBoth = relied;
  }
}

/**
 * Opens the state in `folder`, makes it there if the folder holds none, and counts this start. A lost
 * generation is noted in `lost`.
 * @param beside files that are made after the state: where one is there, the state is not new
 * @throws Fault `state.io`, `state.corrupt`: never a silent reset
 */
export async function openState(
  files: FileSystem,
  folder: string,
  beside: readonly string[] = [],
): Promise<Low<NodeState>> {
  await makeStateFolder(files, folder);
  const state = await load(files, folder);
  if (state.data.boot === 0) await refuseIfUsed(files, folder, beside);
  state.data.boot++;
  await state.write();
  return state;
}

/**
 * Opens the state for a tool, which is no start of the node.
 * @throws Fault `state.io`, `state.corrupt`, also where there is none
 */
export async function editState(files: FileSystem, folder: string): Promise<Low<NodeState>> {
  const state = await load(files, folder);
  if (state.data.boot > 0) return state;
  throw new Fault("state.corrupt", "there is no state", { folder });
}

/** The state, with boot 0 where there is none. A lost generation is noted in it. */
async function load(files: FileSystem, folder: string): Promise<Low<NodeState>> {
  const text = stateText(files, folder);
  const adapter = new DurableAdapter(text);
  const state = new Low(adapter, { boot: 0 });
  await state.read();
  const { lost } = adapter;
  if (lost !== undefined) {
    // An earlier version counted its last start on one generation alone, and that may be the lost one.
    state.data.boot++;
    state.data.lost = { boot: state.data.boot + 1, ...lost };
    if (lost.why !== "missing") await text.setAside(lost);
  }
  return state;
}

function stateText(files: FileSystem, folder: string): DurableText {
  return new DurableText(files, folder, "state", claim);
}

/** Undefined for what an earlier version wrote: it counts a start before it writes anything else. */
function claim(text: string): number | undefined {
  try {
    const { boot, written } = JSON.parse(text) as Partial<NodeState>;
    return written?.boot === boot ? written?.generation : undefined;
  } catch {
    return undefined;
  }
}

/** Writes a state in place of one that was removed. @throws Fault `state.io` */
export async function writeState(
  files: FileSystem,
  folder: string,
  state: NodeState,
): Promise<void> {
  await new DurableAdapter(stateText(files, folder)).write(state);
}

export interface ReadState {
  readonly state: NodeState;
  readonly lost: LostGeneration | undefined;
}

/** The state as it is; undefined where there is none. @throws Fault `state.*` */
export async function readState(files: FileSystem, folder: string): Promise<ReadState | undefined> {
  const adapter = new DurableAdapter(stateText(files, folder));
  const state = await adapter.read();
  return state === null ? undefined : { state, lost: adapter.lost };
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

/** What is made in the folder after the state, for any module. */
const madeLater = /^(?:ledger-.+|spool-.+|outbox)$/;

/** Counters that began at zero again would have commands and events taken for others. */
async function refuseIfUsed(
  files: FileSystem,
  folder: string,
  beside: readonly string[],
): Promise<void> {
  try {
    const names = (await files.list(folder)).filter((name) => madeLater.test(name));
    for (const file of [...names.map((name) => `${folder}/${name}`), ...beside]) {
      if (!(await exists(files, file))) continue;
      throw new Fault("state.corrupt", "the state is gone, but what it counts is there", { file });
    }
  } catch (error) {
    if (error instanceof Fault) throw error;
    throw new Fault("state.io", "cannot read the state folder", {
      folder,
      code: errorCode(error) ?? "unknown",
    });
  }
}
