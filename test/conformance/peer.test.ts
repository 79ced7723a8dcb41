import { find, testWith } from "../needs.ts";
import { peerSpecimen } from "./peer.ts";
import { conformance } from "./suite.ts";

if (find("cc") !== undefined) conformance(peerSpecimen);
else testWith("cc", "the driver passes the suite against a module in C", () => {});
