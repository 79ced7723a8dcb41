import { together } from "./together.ts";

together("links");
