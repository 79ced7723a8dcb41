/** The node's small state: what must survive a restart and is neither key nor history. */
import type { Low } from "lowdb";
import * as v from "valibot";
import { Fault } from "../../base/errors.ts";
import type { FileSystem } from "../../host/disk/files.ts";
import { savedAlarm } from "../../ops/alarms/saved.ts";
import { savedCommands } from "../../ops/commands/saved.ts";
import {
  loadDurable,
  openDurable,
  type ReadState as ReadDurable,
  readDurable,
  type StateKind,
  writeDurable,
} from "../../ops/manager/durable-state.ts";
import { isAlarmName, kindOf } from "../alarms/catalogue.ts";

const count = v.pipe(v.number(), v.integer(), v.minValue(0));

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
  alarms: v.optional(v.array(savedAlarm)),
  /** The last event in the outbox whose alarm is among them. */
  alarms_to: v.optional(count),
  /** Thresholds set by command: module → name → value. */
  thresholds: v.optional(v.record(v.string(), v.record(v.string(), v.number()))),
  /** Modules that were told to stop, and not to start since: who said so, and when. */
  stopped: v.optional(v.record(v.string(), v.object({ by: v.string(), at: v.number() }))),
  /** Command keys: the highest counter seen, and what became of the last commands. */
  commands: v.optional(savedCommands),
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
export type NodeState = v.InferOutput<typeof schema>;
export type ReadState = ReadDurable<NodeState>;

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

const kind: StateKind<NodeState> = {
  parse: (value) => v.parse(schema, value),
  empty: { boot: 0 },
  reliedUpon,
  // For any module.
  madeLater: /^(?:ledger-.+|spool-.+|outbox)$/,
};

/**
 * Opens the state in `folder`, makes it there if the folder holds none, and counts this start. A lost
 * generation is noted in `lost`.
 * @param beside files that are made after the state: where one is there, the state is not new
 * @throws Fault `state.io`, `state.corrupt`: never a silent reset
 */
export function openState(
  files: FileSystem,
  folder: string,
  beside: readonly string[] = [],
): Promise<Low<NodeState>> {
  return openDurable(files, folder, kind, beside);
}

/**
 * Opens the state for a tool, which is no start of the node.
 * @throws Fault `state.io`, `state.corrupt`, also where there is none
 */
export async function editState(files: FileSystem, folder: string): Promise<Low<NodeState>> {
  const state = await loadDurable(files, folder, kind);
  if (state.data.boot > 0) return state;
  throw new Fault("state.corrupt", "there is no state", { folder });
}

/** Writes a state in place of one that was removed. @throws Fault `state.io` */
export function writeState(files: FileSystem, folder: string, state: NodeState): Promise<void> {
  return writeDurable(files, folder, kind, state);
}

/** The state as it is; undefined where there is none. @throws Fault `state.*` */
export function readState(files: FileSystem, folder: string): Promise<ReadState | undefined> {
  return readDurable(files, folder, kind);
}
