import { together } from "./together.ts";

together("custody");
