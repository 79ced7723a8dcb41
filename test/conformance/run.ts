/** Runs cases one after the other, outside of a test framework, and reports: for people and as JSON. */

/** `should`: keys are safe without it; a finding, and no failure. */
export type Level = "must" | "should";
export type Outcome = "passed" | "failed" | "noted" | "skipped";

/** A case that another program can run. */
export interface Runnable {
  /** Short, unique, for `--only`. */
  readonly id: string;
  /** A sentence. */
  readonly title: string;
  /** Where what it tries stands. */
  readonly clause?: string;
  readonly level: Level;
  /** Why it cannot be tried here; undefined if it can. */
  readonly skip?: string | undefined;
  /**
   * @param note says more of how it went
   * @throws {@link Broken} with what is wrong, in words, or {@link NotApplicable}; anything else is a fault of the suite
   */
  run(note: (text: string) => void): Promise<void>;
}

/** A promise that was not kept. The message is for a person, and has no key in it. */
export class Broken extends Error {
  override readonly name = "Broken";
}

/** What a case tries is not there to be tried. The message says why, for a person. */
export class NotApplicable extends Error {
  override readonly name = "NotApplicable";
}

export interface Result {
  readonly id: string;
  readonly title: string;
  readonly clause?: string;
  readonly level: Level;
  /** `noted`: broken, and of level `should`. */
  readonly outcome: Outcome;
  readonly reason?: string;
  readonly notes: readonly string[];
  readonly ms: number;
}

export interface Report {
  /** What was tried. */
  readonly subject: string;
  readonly passed: number;
  readonly failed: number;
  readonly noted: number;
  readonly skipped: number;
  readonly results: readonly Result[];
}

/** @param limitMs a case that takes longer is broken: something in it waits for ever */
async function runOne(one: Runnable, limitMs: number): Promise<Result> {
  const { id, title, level, clause } = one;
  const notes: string[] = [];
  const begun = performance.now();
  const done = (outcome: Outcome, reason?: string): Result => ({
    id,
    title,
    ...(clause !== undefined && { clause }),
    level,
    outcome,
    ...(reason !== undefined && { reason }),
    notes,
    ms: Math.round(performance.now() - begun),
  });
  if (one.skip !== undefined) return done("skipped", one.skip);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Broken(`not over within ${limitMs / 1_000} s`)), limitMs);
  });
  try {
    await Promise.race([one.run((text) => notes.push(text)), late]);
    return done("passed");
  } catch (error) {
    if (error instanceof NotApplicable) return done("skipped", error.message);
    if (!(error instanceof Broken)) throw error;
    return done(level === "must" ? "failed" : "noted", error.message);
  } finally {
    clearTimeout(timer);
  }
}

export async function runAll(
  subject: string,
  cases: readonly Runnable[],
  told: (result: Result) => void = () => {},
  limitMs = 120_000,
): Promise<Report> {
  const results: Result[] = [];
  for (const one of cases) {
    const result = await runOne(one, limitMs);
    results.push(result);
    told(result);
  }
  const count = (outcome: Outcome) => results.filter((one) => one.outcome === outcome).length;
  return {
    subject,
    passed: count("passed"),
    failed: count("failed"),
    noted: count("noted"),
    skipped: count("skipped"),
    results,
  };
}

const words: Readonly<Record<Outcome, string>> = {
  passed: "ok   ",
  failed: "FAIL ",
  noted: "look ",
  skipped: "skip ",
};

/** Text cut into lines of at most `width` characters, each after the first with `indent`. */
export function wrap(text: string, width: number, indent: string): string {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  return [...lines, line].join(`\n${indent}`);
}

/** One case, in lines of 80 columns. */
export function resultText({ id, title, clause, outcome, reason, notes }: Result): string {
  const indent = " ".repeat(6);
  const more = [...(reason === undefined ? [] : [reason]), ...notes];
  const where = clause === undefined ? "" : ` (${clause})`;
  const head = wrap(`${title}${where} [${id}]`, 74, indent);
  return [
    `${words[outcome]} ${head}`,
    ...more.map((text) => `${indent}→ ${wrap(text, 71, `${indent}  `)}`),
  ].join("\n");
}

/** The last lines. */
export function summaryText({ subject, passed, failed, noted, skipped }: Report): string {
  const parts = [
    `${passed} passed`,
    `${failed} failed`,
    ...(noted > 0 ? [`${noted} to look at`] : []),
    ...(skipped > 0 ? [`${skipped} skipped`] : []),
  ];
  return wrap(`${subject}: ${parts.join(", ")}`, 78, "  ");
}
