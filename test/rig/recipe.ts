/** What a page of `docs/use/` has a person type: its blocks, each with where it is typed. */
import { readFileSync } from "node:fs";

export interface Block {
  /** `sh` or the language of a file. */
  readonly language: string;
  /** What stands behind the language: the gateway, or the file's name with the gateway before it. */
  readonly place: string;
  readonly text: string;
}

/** @param name of the page, without `.md` @param places what stands for what, where names are an example's */
export function recipe(name: string, places: Readonly<Record<string, string>> = {}): Block[] {
  let text = readFileSync(new URL(`../../docs/use/${name}.md`, import.meta.url), "utf8");
  for (const [from, to] of Object.entries(places)) text = text.replaceAll(from, to);
  return [...text.matchAll(/^```(\w+) ?(.*)\n([\s\S]*?)^```$/gm)].map(
    ([, language = "", place = "", block = ""]) => ({ language, place, text: block }),
  );
}

/** @throws Error if there is none */
export function block(blocks: readonly Block[], language: string, place: string): string {
  const found = blocks.find((one) => one.language === language && one.place === place);
  if (found === undefined) throw new Error(`the page has no ${language} for ${place}`);
  return found.text;
}
