/**
 * Who knows of weaknesses: OSV (npm's and Debian's lists, by https://google.github.io/osv.dev/post-v1-querybatch/), and
 * Node.js' own list of releases, of which some mend weaknesses.
 */

/** A part as it is asked for. */
export interface Part {
  readonly ecosystem: string;
  readonly name: string;
  readonly version: string;
}

export interface Found extends Pick<Part, "name" | "version"> {
  readonly id: string;
}

/** What cannot be asked, or answers what it should not; the message is for a person. */
export class AskError extends Error {}

/** OSV takes 1,000 at a time. */
const batch = 500;
const timeoutMs = 60_000;
/** Pages of one answer: more is no answer. */
const mostRounds = 20;

async function json(url: string, body?: unknown): Promise<unknown> {
  const asked = body === undefined ? {} : { method: "POST", body: JSON.stringify(body) };
  try {
    const response = await fetch(url, {
      ...asked,
      headers: { "content-type": "application/json" },
      signal: AbortSignal.timeout(timeoutMs),
    });
    if (!response.ok) throw new AskError(`${url}: it answered ${response.status}`);
    return await response.json();
  } catch (error) {
    if (error instanceof AskError) throw error;
    const cause = (error as Error).cause ?? error;
    throw new AskError(`${url}: cannot be asked (${(cause as Error).message})`);
  }
}

interface OsvResult {
  readonly vulns?: readonly { readonly id: string }[];
  readonly next_page_token?: string;
}

function listOf(results: unknown): readonly (OsvResult | null)[] {
  return Array.isArray(results) ? results : [];
}

/** @param base `https://api.osv.dev` @throws AskError */
export async function askOsv(base: string, parts: readonly Part[]): Promise<Found[]> {
  const found: Found[] = [];
  let left = parts.map((part) => ({ part, token: undefined as string | undefined }));
  for (let round = 0; left.length > 0; round++) {
    if (round >= mostRounds) throw new AskError(`${base}: more than ${mostRounds} pages`);
    const again: typeof left = [];
    for (let from = 0; from < left.length; from += batch) {
      const some = left.slice(from, from + batch);
      const queries = some.map(({ part: { ecosystem, name, version }, token }) => ({
        package: { ecosystem, name },
        version,
        ...(token !== undefined && { page_token: token }),
      }));
      const answer = (await json(`${base}/v1/querybatch`, { queries })) as {
        readonly results?: unknown;
      } | null;
      const results = listOf(answer?.results);
      if (results.length !== some.length) {
        throw new AskError(`${base}: not as many answers as questions`);
      }
      for (const [i, { part }] of some.entries()) {
        const { vulns = [], next_page_token: token } = results[i] ?? {};
        found.push(...vulns.map(({ id }) => ({ id, name: part.name, version: part.version })));
        if (token) again.push({ part, token });
      }
    }
    left = again;
  }
  return found;
}

/** Releases of the same line after this one that mend weaknesses. @param url of `index.json` @throws AskError */
export async function askNode(url: string, version: string): Promise<Found[]> {
  const list = (await json(url)) as readonly {
    readonly version: string;
    readonly security: boolean;
  }[];
  if (!Array.isArray(list)) throw new AskError(`${url}: no list of releases`);
  const numbers = (text: string) => text.replace(/^v/, "").split(".").map(Number);
  const [line = 0, minor = 0, patch = 0] = numbers(version);
  return list
    .filter(({ version: other, security }) => {
      const [theirs, its = 0, own = 0] = numbers(other);
      return security && theirs === line && (its > minor || (its === minor && own > patch));
    })
    .map((one) => ({ id: `NODE-${one.version}`, name: "node", version }));
}
