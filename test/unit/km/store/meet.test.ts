/** A link that is led to another key manager under its old name knows nothing of that one's disk. */
import test from "ava";
import { tellBooks } from "../../../../src/km/link/my-books.ts";
import { LinkBooks } from "../../../../src/km/store/books.ts";
import type { Row } from "../../../../src/km/store/port.ts";
import { encodeLink } from "../../../../src/km/store/rows.ts";

const counts = { number: 0, taken: 0, expired: 0 };
const state = { mark: 5, heardMark: 9, highest: 3, told: counts, heard: counts, matched: 0 };

function booksOf(peer?: string): LinkBooks {
  const value = encodeLink({ ...state, leaders: 0, ...(peer !== undefined && { peer }) });
  return new LinkBooks("ab", 0, [{ kind: "link", link: "ab", key: "books", value }]);
}

/** As after a restart, with what was to be written. */
function again(books: LinkBooks): LinkBooks {
  const rows: readonly Row[] = books.rows().rows;
  return new LinkBooks("ab", 0, rows);
}

/** What the other end is told of the mark of its own that was heard. */
function told(books: LinkBooks): unknown {
  const [head] = tellBooks(books, []);
  return head?.type === "sync" ? head.heardMark : undefined;
}

test("marks that were heard of one key manager are not remembered of another", (t) => {
  const books = booksOf("km-b");
  books.meet("km-b");
  t.is(told(books), 9);
  books.meet("km-c");
  t.is(told(books), 0);
  const later = again(books);
  later.meet("km-c");
  t.is(later.state.heardMark, 0);
});

test("books of before the ID was written down go on with the key manager that they have", (t) => {
  const books = booksOf();
  books.meet("km-b");
  t.is(told(books), 9);
  const later = again(books);
  t.is(later.state.peer, "km-b");
  later.meet("km-c");
  t.is(told(later), 0);
});
