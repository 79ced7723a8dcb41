import { together } from "./together.ts";

together("key-managers");
