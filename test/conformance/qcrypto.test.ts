import { qcryptoSpecimen } from "./qcrypto.ts";
import { conformance } from "./suite.ts";

conformance(qcryptoSpecimen, ["start", "rate"]);
