import type { SearchHit, SearchSource } from "../../app/page.ts";
import { client } from "../../live/client.ts";
import { queries } from "../../live/queries.ts";

const LOOKED_AT = 200;

/** By number any experiment; by name and label the newest ones. */
const source: SearchSource = {
  name: "experiments",
  async find(query) {
    const { items } = await queries.fetchQuery({
      queryKey: ["experiments", "search"],
      queryFn: () => client.experiments({ limit: LOOKED_AT }),
    });
    const number = /^#?(\d{1,9})$/.exec(query)?.[1];
    const hits = items
      .filter(
        ({ id, name, labels }) =>
          String(id) === number ||
          name.toLowerCase().includes(query) ||
          labels.some((label) => label.toLowerCase().includes(query)),
      )
      .map(
        ({ id, name, state }): SearchHit => ({
          label: `${id}  ${name}`,
          note: state,
          to: `/experiments/${id}`,
        }),
      );
    const known = items.some(({ id }) => String(id) === number);
    if (number !== undefined && !known && Number(number) > 0)
      hits.unshift({
        label: `Experiment ${number}`,
        note: "by number",
        to: `/experiments/${number}`,
      });
    return hits;
  },
};
export default source;
