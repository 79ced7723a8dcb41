import { together } from "./together.ts";

together("node");
