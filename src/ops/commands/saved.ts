import * as v from "valibot";

/** Command keys: the highest counter seen, and what became of the last commands. */
export const savedCommands = v.record(
  v.string(),
  v.object({
    counter: v.pipe(v.number(), v.integer(), v.minValue(0)),
    recent: v.array(v.object({ id: v.string(), outcome: v.string() })),
  }),
);
