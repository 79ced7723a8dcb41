/**
 * What is known of weaknesses in parts, and what they mean here: `security/weaknesses.toml` as CycloneDX VEX (1.6), for
 * scanners that are given it beside the bill of materials. Pure.
 */
import { parse } from "smol-toml";
import * as v from "valibot";

const text = (most: number) => v.pipe(v.string(), v.minLength(1), v.maxLength(most));

/** Words of CycloneDX 1.6 (`analysis.state`, `analysis.justification`). */
const states = ["exploitable", "in_triage", "not_affected", "resolved", "false_positive"] as const;
const justifications = [
  ...["code_not_present", "code_not_reachable", "requires_configuration"],
  ...["requires_dependency", "requires_environment", "protected_by_compiler"],
  ...["protected_at_runtime", "protected_at_perimeter", "protected_by_mitigating_control"],
] as const;

const oneSchema = v.pipe(
  v.strictObject({
    id: v.pipe(
      v.string(),
      v.regex(/^(CVE-\d{4}-\d{4,}|GHSA(-[0-9a-z]{4}){3}|DSA-\d+-\d+|[A-Z]+-[\w-]+)$/),
    ),
    /** Other IDs of the same. */
    also: v.optional(v.array(text(64)), []),
    part: text(128),
    version: text(128),
    state: v.picklist(states),
    justification: v.optional(v.picklist(justifications)),
    detail: text(2_000),
  }),
  v.check(
    ({ state, justification }) => (state === "not_affected") === (justification !== undefined),
    "not_affected needs a justification, and nothing else has one",
  ),
);

export type Weakness = v.InferOutput<typeof oneSchema>;

const fileSchema = v.strictObject({ weakness: v.optional(v.array(oneSchema), []) });

/** @throws Error that says what is wrong with which entry */
export function readWeaknesses(toml: string): readonly Weakness[] {
  const result = v.safeParse(fileSchema, parse(toml));
  if (result.success) return result.output.weakness;
  const said = result.issues.map((issue) => `${v.getDotPath(issue) ?? ""}: ${issue.message}`);
  throw new Error(`security/weaknesses.toml: ${said.join("; ")}`);
}

/** @param of the release */
export function vex(known: readonly Weakness[], of: string): string {
  const own = `pkg:generic/qkd-node@${of}`;
  const bill = {
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    version: 1,
    metadata: {
      component: { type: "application", "bom-ref": own, name: "qkd-node", version: of, purl: own },
    },
    vulnerabilities: known.map(({ id, also, part, version, state, justification, detail }) => ({
      "bom-ref": `${id} ${part}@${version}`,
      id,
      ...(also.length > 0 && { references: also.map((one) => ({ id: one, source: {} })) }),
      analysis: {
        state,
        ...(justification && { justification }),
        detail: `${part} ${version}: ${detail}`,
      },
      affects: [{ ref: own }],
    })),
  };
  return `${JSON.stringify(bill, undefined, 2)}\n`;
}
