import type { SearchSource } from "../../app/page.ts";

/** A trial by its id; whether there is one its page says. */
const source: SearchSource = {
  name: "trials",
  find: async (query) =>
    /^[1-9]\d{0,9}\.[1-9]\d{0,9}$/.test(query)
      ? [{ label: `Trial ${query}`, note: "by id", to: `/trials/${query}` }]
      : [],
};
export default source;
