/** An image that is for a bench says so. */
import test from "ava";
import { parseImage, readImage } from "../../../../src/ops/update/image.ts";

const lines = 'ID=qkd-node\nPRETTY_NAME="qkd-node 1.2.0"\nIMAGE_VERSION=1.2.0\n';

test("an image is known by its name, and one for development by its variant", (t) => {
  t.deepEqual(parseImage(lines), { version: "1.2.0", development: false });
  const bench = `${lines}VARIANT="Development"\nVARIANT_ID=development\n`;
  t.deepEqual(parseImage(bench), { version: "1.2.0", development: true });
  t.is(parseImage("ID=debian\nVARIANT_ID=development\n"), undefined);
  t.is(readImage("/nowhere/os-release"), undefined);
});
