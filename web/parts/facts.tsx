/** Names and values of one thing, read from top to bottom. */
import type { ReactNode } from "react";

/** A value of undefined leaves its row out. */
export function Facts({ rows }: { readonly rows: readonly (readonly [string, ReactNode])[] }) {
  return (
    <dl className="facts">
      {rows
        .filter(([, value]) => value !== undefined)
        .map(([name, value], i) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: several may have one name, such as two forks
          <div key={`${name} ${i}`}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
    </dl>
  );
}

/** A few figures side by side, the largest things on a page. */
export function Figures({
  items,
}: {
  readonly items: readonly {
    readonly label: string;
    readonly value: ReactNode;
    readonly note?: ReactNode;
  }[];
}) {
  return (
    <dl className="figures">
      {items.map(({ label, value, note }) => (
        <div key={label}>
          <dt>{label}</dt>
          <dd>
            <b>{value}</b>
            {note === undefined ? null : <span className="dim">{note}</span>}
          </dd>
        </div>
      ))}
    </dl>
  );
}

export function Progress({ value, label }: { readonly value: number; readonly label: string }) {
  const percent = Math.floor(Math.min(1, Math.max(0, value)) * 100);
  return (
    <span className="progress">
      <progress max={100} value={percent} aria-label={label} />
      <span>{percent} %</span>
    </span>
  );
}
