import { etsi014Specimen } from "./etsi014.ts";
import { conformance } from "./suite.ts";

conformance(etsi014Specimen("a"), ["start", "rate", "unread"]);
