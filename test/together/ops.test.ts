import { together } from "./together.ts";

together("ops");
