import { qmlpSpecimen } from "./qmlp.ts";
import { conformance } from "./suite.ts";

conformance(() => qmlpSpecimen("pcie"));
