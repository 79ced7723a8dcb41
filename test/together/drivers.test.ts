import { together } from "./together.ts";

together("drivers");
