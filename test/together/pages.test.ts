import { together } from "./together.ts";

together("pages");
