/** The node's small state: what must survive a restart and is neither key nor history. */
import { type Adapter, Low } from "lowdb";
import * as v from "valibot";
import { errorCode, Fault } from "../port/errors.ts";
import { DurableText } from "./durable.ts";
import type { FileSystem } from "./files.ts";

const schema = v.object({
  /** How often the node started on this state; never goes back. */
  boot: v.pipe(v.number(), v.integer(), v.minValue(0)),
});

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
 * @throws Fault `state.io`, `state.corrupt`: never a silent reset
 */
export async function openState(files: FileSystem, folder: string): Promise<Low<NodeState>> {
  try {
    await files.makeFolder(folder);
  } catch (error) {
    throw new Fault("state.io", "cannot make the state folder", {
      folder,
      code: errorCode(error) ?? "unknown",
    });
  }
  const state = new Low(new DurableAdapter(new DurableText(files, folder, "state")), { boot: 0 });
  await state.read();
  state.data.boot++;
  await state.write();
  return state;
}
