/** Where this package lies: what runners and pages are started and served from. */
import { fileURLToPath } from "node:url";

export const REPOSITORY = fileURLToPath(new URL("../../", import.meta.url)).replace(/\/$/, "");
