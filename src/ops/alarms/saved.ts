import * as v from "valibot";
import { levels } from "./severity.ts";

/** An alarm as it was told last, in the state that survives a restart; who reads it checks its name. */
export const savedAlarm = v.object({
  id: v.string(),
  name: v.string(),
  object: v.string(),
  severity: v.picklist(levels),
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
  count: v.pipe(v.number(), v.integer(), v.minValue(0)),
});

export type SavedAlarm = v.InferOutput<typeof savedAlarm>;
