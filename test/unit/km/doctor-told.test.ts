/** What the key manager's log said last of a link that is not up, and what is to be done about that. */
import test from "ava";
import { checkPeer } from "../../../src/km/doctor/peer.ts";
import { ManualClock } from "../../clock.ts";

async function told(cause: string) {
  const link = { name: "fibre", peer: "km-a" } as Parameters<typeof checkPeer>[0];
  const log = [`level=warn at=km.link.fibre msg="KM link ended" cause="${cause}"`];
  const running = { status: { links: [] }, log } as unknown as Parameters<typeof checkPeer>[2];
  const [found] = await checkPeer(link, {} as never, running, false, new ManualClock());
  return found?.advice ?? "";
}

test("a link that ended is no certificate that is not trusted, whether it was closed or reset", async (t) => {
  for (const over of ["the link was closed", "the link ended: closed by the KM (ECONNRESET)"]) {
    t.regex(await told(over), /^it has stopped, or it refuses this one/);
  }
  t.regex(await told("closed by the KM (ECONNRESET)"), /^the other end must trust the CA/);
  const alert = "the link ended: the KM refuses our certificate (ERR_SSL_TLSV1_ALERT_UNKNOWN_CA)";
  t.regex(await told(alert), /^the other end must trust the CA/);
});
