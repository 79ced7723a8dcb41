/** Kinds of values that the configuration of every program has: what is accepted, and what is said of the rest. */
import * as v from "valibot";
import * as duration from "../../base/duration.ts";
import { asciiHost, hostProblem, peerProblem } from "../net/host.ts";
import { mostCharacters } from "./characters.ts";

/** An ID that both ends of an interface know: of a module, of a KM. */
export const id = v.pipe(
  v.string(),
  v.minLength(1, "expected 1 to 128 characters"),
  mostCharacters(128, "expected 1 to 128 characters"),
  v.check((one) => !/\p{Cc}/u.test(one), "expected no control characters"),
);

export const text = v.pipe(v.string(), v.minLength(1, "expected a text that is not empty"));

/** The name of a file, and not what is in it. */
export const fileName = v.pipe(
  text,
  v.check((name) => !/-----BEGIN|\n/.test(name), "expected the name of a file, not what is in it"),
  v.check((name) => !/^\w+:\/\//.test(name), "expected the name of a file, not a URL"),
  v.check((name) => !name.includes("\0"), "expected the name of a file"),
  v.check(
    (name) => !name.startsWith("~"),
    "expected the whole name of a file: ~ stands for no folder",
  ),
);

/** Checked by a function that says what is wrong. */
export function judged(problem: (text: string) => string | undefined) {
  return v.pipe(
    v.string(),
    v.rawCheck(({ dataset, addIssue }) => {
      const message = dataset.typed ? problem(dataset.value) : undefined;
      if (message !== undefined) addIssue({ message });
    }),
  );
}

/** Where something is that is connected to; a name in another script is taken in ASCII. */
export const peer = v.pipe(judged(peerProblem), v.transform(asciiHost));
/** Where something listens. */
export const listener = v.pipe(judged(hostProblem), v.transform(asciiHost));

export const absolute = v.pipe(
  v.string(),
  v.startsWith("/", "expected an absolute path"),
  v.check((path) => !path.includes("\0"), "expected a path"),
);

export function within(least: number, most: number) {
  const message = `expected a number from ${least} to ${most}`;
  return v.pipe(v.number(), v.minValue(least, message), v.maxValue(most, message));
}

export function whole(least: number, most: number) {
  const message = `expected a whole number from ${least} to ${most}`;
  return v.pipe(
    v.number(),
    v.integer(message),
    v.minValue(least, message),
    v.maxValue(most, message),
  );
}

/** @param standard what holds where none is given, s */
export function seconds(least: number, most: number, standard: number) {
  return v.pipe(
    v.optional(within(least, most), standard),
    v.transform((count) => duration.seconds(count)),
  );
}

/** A time of the day, in minutes from midnight. */
export const timeOfDay = v.pipe(
  v.string(),
  v.regex(/^([01]\d|2[0-3]):[0-5]\d$/, "expected a time of the day, from 00:00 to 23:59"),
  v.transform((text) => Number(text.slice(0, 2)) * 60 + Number(text.slice(3))),
);

export const logSchema = v.strictObject({
  level: v.optional(v.picklist(["debug", "info", "warn", "error"]), "info"),
  timestamps: v.optional(v.boolean(), true),
});
export type LogConfig = v.InferOutput<typeof logSchema>;
