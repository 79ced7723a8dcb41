import { together } from "./together.ts";

together("modules");
