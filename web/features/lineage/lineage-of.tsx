/** A lineage, drawn: boxes that lead to what they stand for, lines from what was there first, and all of it in words. */
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useMemo } from "react";
import { count, plural } from "../../../src/cli/figures.ts";
import { inert } from "../../../src/cli/inert.ts";
import type { Lineage, LineageNode } from "../../../src/protocol/api.ts";
import { client, isAway } from "../../live/client.ts";
import { NEWS_MS } from "../../live/news.ts";
import { CommandLine } from "../../parts/command-line.tsx";
import { Failed, Loading } from "../../parts/states.tsx";
import { Inert } from "../../parts/text.tsx";
import { type Layout, layOut, type Place } from "./layout.ts";
import { addressOf, commandOf, noteOf, sentenceOf, thingWords } from "./words.ts";
import "./lineage.css";

const COLUMN_PX = 236;
const ROW_PX = 62;
const BOX = { width: 184, height: 46 } as const;

export function LineageOf({ thing }: { readonly thing: string }) {
  const asked = useQuery({
    queryKey: ["lineage", thing],
    queryFn: () => client.lineage(thing),
    refetchInterval: NEWS_MS,
  });
  if (asked.isPending) return <Loading what="Asking where it comes from" />;
  // What was drawn stands while nobody answers, but not where it is gone.
  if (asked.data === undefined || (asked.isError && !isAway(asked.error)))
    return <Failed error={asked.error} again={() => void asked.refetch()} />;
  return <Drawn lineage={asked.data} />;
}

function Drawn({ lineage }: { readonly lineage: Lineage }) {
  const { root, nodes, edges } = lineage;
  const layout = useMemo(() => layOut(lineage), [lineage]);
  const left = nodes.reduce((sum, { more }) => sum + more, 0);
  return (
    <section className="lineage" aria-label="Lineage">
      <p className="chart-sentence">
        {nodes.length === 1
          ? "Nothing else has to do with it."
          : `${plural(nodes.length - 1, "thing has", "things have")} to do with it${left > 0 ? `; ${count(left)} more are not drawn` : ""}.`}
      </p>
      <div className="lineage-scroll">
        <div
          className="lineage-field"
          style={{ width: layout.columns * COLUMN_PX, height: layout.rows * ROW_PX }}
        >
          <Lines lineage={lineage} layout={layout} />
          {nodes.map((node) => (
            <Box
              key={node.id}
              node={node}
              place={layout.places.get(node.id) as Place}
              isRoot={node.id === root}
            />
          ))}
        </div>
      </div>
      {edges.length === 0 ? null : (
        <details>
          <summary>In words</summary>
          <ul>
            {edges.map((edge) => (
              <li key={`${edge.from} ${edge.to} ${edge.relation}`}>
                <Inert>{sentenceOf(edge)}</Inert>
              </li>
            ))}
          </ul>
        </details>
      )}
      <CommandLine command={commandOf(root)} />
    </section>
  );
}

const cornerOf = ({ column, row }: Place): { readonly x: number; readonly y: number } => ({
  x: column * COLUMN_PX + (COLUMN_PX - BOX.width) / 2,
  y: row * ROW_PX + (ROW_PX - BOX.height) / 2,
});

function Lines({ lineage, layout }: { readonly lineage: Lineage; readonly layout: Layout }) {
  return (
    <svg
      className="lineage-lines"
      width={layout.columns * COLUMN_PX}
      height={layout.rows * ROW_PX}
      aria-hidden="true"
    >
      {lineage.edges.map((edge) => {
        const from = cornerOf(layout.places.get(edge.from) as Place);
        const to = cornerOf(layout.places.get(edge.to) as Place);
        const [x1, y1] = [from.x + BOX.width, from.y + BOX.height / 2];
        const [x2, y2] = [to.x, to.y + BOX.height / 2];
        const bend = Math.max(24, (x2 - x1) / 2);
        return (
          <path
            key={`${edge.from} ${edge.to} ${edge.relation}`}
            className={`lineage-${edge.relation}`}
            d={`M${x1},${y1} C${x1 + bend},${y1} ${x2 - bend},${y2} ${x2},${y2}`}
          >
            <title>{inert(sentenceOf(edge))}</title>
          </path>
        );
      })}
    </svg>
  );
}

function Box({
  node,
  place,
  isRoot,
}: {
  readonly node: LineageNode;
  readonly place: Place;
  readonly isRoot: boolean;
}) {
  const { x, y } = cornerOf(place);
  const note = noteOf(node);
  return (
    <Link
      to={addressOf(node) as string}
      className={`lineage-box lineage-box-${node.kind}`}
      aria-current={isRoot ? "true" : undefined}
      title={inert(`${thingWords(node.id)} ${note}`)}
      style={{ left: x, top: y, width: BOX.width, height: BOX.height }}
    >
      <strong>
        <Inert>{thingWords(node.id)}</Inert>
      </strong>
      <span className="lineage-note">
        <Inert>{note}</Inert>
        {node.more > 0 ? <span> and {count(node.more)} more</span> : null}
      </span>
    </Link>
  );
}
