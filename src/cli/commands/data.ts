/** `contrail data …`: dataset versions, named by their content. The one door; each verb has a file in `data/`. */
export { add, addDataset } from "./data/add.ts";
export { checkout, verify } from "./data/content.ts";
export { list, remove } from "./data/list.ts";
export { diff, show } from "./data/look.ts";
