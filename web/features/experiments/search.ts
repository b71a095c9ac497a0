import type { SearchHit, SearchSource } from "../../app/page.ts";
import { client } from "../../live/client.ts";
import { queries } from "../../live/queries.ts";

const HITS_MAX = 10;
const WORD_CHARS_MAX = 200;

/** By number any experiment; by name and label, of all that there are, the newest first. */
const source: SearchSource = {
  name: "experiments",
  async find(query) {
    const number = /^#?(\d{1,9})$/.exec(query)?.[1];
    const word = query.slice(0, WORD_CHARS_MAX);
    const { items } = await queries.fetchQuery({
      queryKey: ["experiments", "search", word],
      queryFn: () =>
        client.experiments({
          limit: HITS_MAX,
          filter: word === "" ? undefined : `"${word.replace(/[\\"]/g, "\\$&")}"`,
        }),
    });
    const hits = items.map(
      ({ id, name, state }): SearchHit => ({
        label: `${id}  ${name}`,
        note: state,
        to: `/experiments/${id}`,
      }),
    );
    if (number !== undefined && Number(number) > 0)
      hits.unshift({
        label: `Experiment ${Number(number)}`,
        note: "by number",
        to: `/experiments/${Number(number)}`,
      });
    return hits;
  },
};
export default source;
