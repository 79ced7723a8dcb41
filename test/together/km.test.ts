import { together } from "./together.ts";

together("km");
