/** Shows accounts page after page: all of them may be millions. */
import { exit } from "../../base/exit-codes.ts";
import type { Terminal } from "../../host/terminal/terminal.ts";
import type { AccountRecord } from "../core/world.ts";
import type { AccountsPage } from "../local/local.ts";
import { accountsCsv } from "./show.ts";

/**
 * @param since ms since 1970 UTC
 * @param ask for a page; a controller of before pages answers with all
 * @returns an exit code @throws CliError
 */
export async function showAccounts(
  since: number,
  json: boolean,
  ask: (args: object) => Promise<AccountsPage | readonly AccountRecord[]>,
  terminal: Pick<Terminal, "say" | "pass" | "written">,
): Promise<number> {
  let shown = 0;
  for (let after: string | undefined = ""; after !== undefined; ) {
    const page: AccountsPage | readonly AccountRecord[] = await ask({ since, after });
    const { accounts, next }: AccountsPage = "accounts" in page ? page : { accounts: page };
    const isFirst = after === "";
    if (json) {
      const text = JSON.stringify(accounts).slice(1, -1);
      const begin = isFirst ? "[" : shown > 0 && accounts.length > 0 ? "," : "";
      terminal.pass(`${begin}${text}${next === undefined ? "]" : ""}`);
    } else if (isFirst || accounts.length > 0) {
      const text = accountsCsv(accounts, isFirst).trimEnd();
      terminal.say(next === undefined ? text : `${text}\r`);
    }
    await terminal.written();
    shown += accounts.length;
    after = next;
  }
  return exit.ok;
}
