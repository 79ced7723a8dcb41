import { together } from "./together.ts";

together("supply");
