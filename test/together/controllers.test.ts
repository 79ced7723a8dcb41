import { together } from "./together.ts";

together("controllers");
