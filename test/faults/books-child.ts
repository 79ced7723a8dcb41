/** Books of a key manager in a process of their own: notes something each time it is asked to, and says when that is durable. */
import { highest, noChange } from "../../src/km/io/engine/books-change.ts";
import { LedgerThread } from "../../src/km/io/engine/ledger.ts";

const ledger = new LedgerThread(process.argv[2] as string);
await ledger.load(true);
process.on("message", async (number: number) => {
  await ledger.apply({ ...noChange, consumed: [highest(number)] });
  process.send?.({ durable: number });
});
process.send?.({ ready: true });
