import { skeletonSpecimen } from "./skeleton.ts";
import { conformance } from "./suite.ts";

conformance(skeletonSpecimen);
