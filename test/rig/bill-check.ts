/** What holds of every bill of materials, by CycloneDX' own library and by what scanners need. */
import { Spec, Validation } from "@cyclonedx/cyclonedx-library";

interface Part {
  readonly "bom-ref": string;
  readonly name: string;
  readonly version: string;
  readonly purl?: string;
  readonly components?: readonly Part[];
}

export interface BillContent {
  readonly metadata: { readonly component: Part };
  readonly components: readonly Part[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
}

/** @returns what is wrong with it, in words */
export async function billProblems(text: string): Promise<string[]> {
  const validator = new Validation.JsonStrictValidator(Spec.Version.v1dot6);
  const invalid = await validator.validate(text);
  const problems = invalid === null ? [] : [`not CycloneDX: ${JSON.stringify(invalid)}`];
  const bill = JSON.parse(text) as BillContent;
  const all = partsOf(bill);
  const refs = new Set<string>();
  for (const { "bom-ref": ref, name, purl } of all) {
    if (refs.has(ref)) problems.push(`${ref} is there twice`);
    refs.add(ref);
    // The form that the purl specification has for every type.
    if (
      !/^pkg:[a-z]+\/(?:[^/@?]+\/)?[^/@?]+@[^/@?]+(?:\?[a-z]+=[^&]+(?:&[a-z]+=[^&]+)*)?$/.test(
        purl ?? "",
      )
    ) {
      problems.push(`${name}: ${purl} is no purl`);
    }
  }
  for (const { ref, dependsOn } of bill.dependencies) {
    for (const one of [ref, ...dependsOn]) {
      if (!refs.has(one)) problems.push(`${one} is depended on, and not there`);
    }
  }
  const reached = new Set<string>();
  const edges = new Map(bill.dependencies.map(({ ref, dependsOn }) => [ref, dependsOn]));
  const visit = (ref: string) => {
    if (reached.has(ref)) return;
    reached.add(ref);
    for (const one of edges.get(ref) ?? []) visit(one);
  };
  visit(bill.metadata.component["bom-ref"]);
  for (const { "bom-ref": ref } of bill.components) {
    if (!reached.has(ref)) problems.push(`nothing needs ${ref}`);
  }
  return problems;
}

/** All parts, also those within others. */
export function partsOf({ metadata, components }: BillContent): Part[] {
  const within = (one: Part): Part[] => [one, ...(one.components ?? []).flatMap(within)];
  return [metadata.component, ...components].flatMap(within);
}
