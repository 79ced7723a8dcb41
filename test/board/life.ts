/** Tests of one board go on from each other, as its life does. One that fails shows what the board said last. */
import test, { type ExecutionContext } from "ava";
import { type Machine, slower } from "./machine.ts";

type Body = (t: ExecutionContext) => Promise<void>;

/**
 * @param board that the tests share, once it is there
 * @param minutes that each may take, unless it says otherwise
 * @param more what is told of the board beside its console
 */
export function lifeOf(
  board: () => Machine,
  minutes = 40,
  more: (board: Machine) => Promise<readonly string[]> = async () => [],
) {
  return (title: string, body: Body, limit = minutes) =>
    test.serial(title, async (t) => {
      t.timeout(limit * 60_000 * slower);
      try {
        await body(t);
      } catch (error) {
        t.log(board().console.slice(-3_000));
        for (const text of await more(board())) t.log(text);
        throw error;
      }
    });
}
