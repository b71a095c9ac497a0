/** The threads, each with who marked it and why; one of them can be looked at alone. */
import { Link } from "@tanstack/react-router";
import type { Thread } from "../../../src/protocol/api.ts";
import { client } from "../../live/client.ts";
import { Actions } from "../../parts/actions.tsx";
import { Ago, Inert } from "../../parts/text.tsx";

export function Threads(props: {
  readonly threads: readonly Thread[];
  readonly chosen: number | undefined;
  readonly onChoose: (id: number | undefined) => void;
  readonly again: () => Promise<void>;
}) {
  const { threads, chosen, onChoose, again } = props;
  return (
    <section aria-label="Threads">
      <h2>Threads</h2>
      <ul className="threads">
        {threads.map(({ id, name, note, experiment, by, at }) => (
          <li key={id} className={id === chosen ? "thread-chosen" : undefined}>
            <div>
              <b>
                ★ <Inert>{name}</Inert>
              </b>{" "}
              <span className="dim">
                to{" "}
                <Link to={`/experiments/${experiment}` as string} className="row-link">
                  experiment {experiment}
                </Link>
                , marked by <Inert>{by}</Inert> <Ago time={at} />
              </span>
              {note === "" ? null : (
                <div className="dim thread-note">
                  <Inert>{note}</Inert>
                </div>
              )}
            </div>
            <div className="thread-acts">
              <button
                type="button"
                className="plain-link"
                aria-pressed={id === chosen}
                onClick={() => onChoose(id === chosen ? undefined : id)}
              >
                {id === chosen ? "show all runs" : "show it alone"}
              </button>
              <Actions
                size="compact-xs"
                actions={[
                  {
                    label: "Unmark",
                    meaning: "It is no thread any more. Its runs stay as they are.",
                    command: `contrail ideas unmark ${id}`,
                    run: async () => {
                      await client.unmarkThread(id);
                      await again();
                    },
                  },
                ]}
              />
            </div>
          </li>
        ))}
      </ul>
    </section>
  );
}
