/** A program's small state on disk: what must survive a restart and is neither key nor history. */
import { type Adapter, Low } from "lowdb";
import { errorCode, Fault } from "../../base/errors.ts";
import { DurableText, type LostGeneration } from "../../host/disk/durable.ts";
import { exists, type FileSystem } from "../../host/disk/files.ts";
import type { SavedAlarm } from "../alarms/saved.ts";

/** What every state has. */
export interface Counted {
  /** How often the program started on this state; never goes back. */
  boot: number;
  /** The generation that this is, and of which start; an earlier version leaves an older start's. */
  written?: { generation: number; boot: number } | undefined;
  /** One of the two generations was lost; until an operator acknowledges the alarm. */
  lost?: { boot: number; file: string; why: string } | undefined;
}

/** Of which program it is. */
export interface StateKind<State extends Counted> {
  /** @throws any error if it has not the shape that this version knows */
  readonly parse: (value: unknown) => State;
  readonly empty: State;
  /** What must not be older after the loss of one file: a change of it costs a second write. */
  readonly reliedUpon: (state: State) => string;
  /** Files that are made in the folder after the state: where one is there, the state is not new. */
  readonly madeLater: RegExp;
}

/** Alarms that a restart must not forget, in short. @param isLatched whether alarms of a name stay until acknowledged */
export function lastingAlarms(
  alarms: readonly SavedAlarm[] | undefined,
  isLatched: (name: string) => boolean,
): string[] {
  const lasting = (alarms ?? []).filter(({ name, severity, acknowledged }) => {
    return severity !== "cleared" && (acknowledged || isLatched(name));
  });
  return lasting.map(({ id, acknowledged }) => `${id} ${acknowledged}`);
}

export interface ReadState<State> {
  readonly state: State;
  readonly lost: LostGeneration | undefined;
}

/** lowdb over the two generations; stock lowdb neither fsyncs nor notices a damaged file. */
class DurableAdapter<State extends Counted> implements Adapter<State> {
  readonly #text: DurableText;
  readonly #kind: StateKind<State>;
  /** What both generations say of what is relied upon; undefined: they may differ. */
  #onBoth: string | undefined;
  #lost: LostGeneration | undefined;

  constructor(text: DurableText, kind: StateKind<State>) {
    this.#text = text;
    this.#kind = kind;
  }

  /** The generation that {@link read} missed. */
  get lost(): LostGeneration | undefined {
    return this.#lost;
  }

  async read(): Promise<State | null> {
    const stored = await this.#text.read();
    this.#lost = stored?.lost;
    if (stored === undefined) return null;
    try {
      return this.#kind.parse(JSON.parse(stored.text));
    } catch {
      throw new Fault("state.corrupt", "state has not the shape that this version knows");
    }
  }

  async write(state: State): Promise<void> {
    const relied = this.#kind.reliedUpon(state);
    const both = relied !== this.#onBoth;
    if (both) this.#onBoth = undefined;
    const { boot } = state;
    const text = (generation: number) =>
      JSON.stringify({ ...state, written: { generation, boot } } satisfies Counted);
    await this.#text.write(text, both);
    this.#onBoth = relied;
  }
}

/**
 * Opens the state in `folder`, makes it there if the folder holds none, and counts this start. A lost
 * generation is noted in `lost`.
 * @param beside files elsewhere that are made after the state: where one is there, the state is not new
 * @throws Fault `state.io`, `state.corrupt`: never a silent reset
 */
export async function openDurable<State extends Counted>(
  files: FileSystem,
  folder: string,
  kind: StateKind<State>,
  beside: readonly string[] = [],
): Promise<Low<State>> {
  await makeStateFolder(files, folder);
  const state = await loadDurable(files, folder, kind);
  if (state.data.boot === 0) await refuseIfUsed(files, folder, kind.madeLater, beside);
  state.data.boot++;
  await state.write();
  return state;
}

/** The state, with boot 0 where there is none. A lost generation is noted in it. @throws Fault `state.*` */
export async function loadDurable<State extends Counted>(
  files: FileSystem,
  folder: string,
  kind: StateKind<State>,
): Promise<Low<State>> {
  const text = stateText(files, folder);
  const adapter = new DurableAdapter(text, kind);
  const state = new Low<State>(adapter, structuredClone(kind.empty));
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
    const { boot, written } = JSON.parse(text) as Partial<Counted>;
    return written?.boot === boot ? written?.generation : undefined;
  } catch {
    return undefined;
  }
}

/** Writes a state in place of one that was removed. @throws Fault `state.io` */
export async function writeDurable<State extends Counted>(
  files: FileSystem,
  folder: string,
  kind: StateKind<State>,
  state: State,
): Promise<void> {
  await new DurableAdapter(stateText(files, folder), kind).write(state);
}

/** The state as it is; undefined where there is none. @throws Fault `state.*` */
export async function readDurable<State extends Counted>(
  files: FileSystem,
  folder: string,
  kind: StateKind<State>,
): Promise<ReadState<State> | undefined> {
  const adapter = new DurableAdapter(stateText(files, folder), kind);
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

/** Counters that began at zero again would have commands and events taken for others. */
async function refuseIfUsed(
  files: FileSystem,
  folder: string,
  madeLater: RegExp,
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
