/**
 * The frame of every chart: its title, one sentence computed from the same data, what stands there when there is
 * none, and the ways out of the page: picture, CSV, JSON, and the command that gives these numbers.
 */
import { ActionIcon, Menu, useComputedColorScheme } from "@mantine/core";
import { type ReactNode, useId, useRef } from "react";
import { CommandLine } from "../parts/command-line.tsx";
import { DownloadIcon } from "../parts/icons.tsx";
import { Empty } from "../parts/states.tsx";
import { type ChartTable, toCsv, toJson } from "./chart-table.ts";
import { saveFile, savePng } from "./export.ts";
import { chartColours } from "./palette.ts";

export interface ChartFrameProps {
  readonly title: string;
  /** What the chart says, computed from what it shows. It is also what a screen reader reads. */
  readonly sentence: string;
  /** Why there is nothing to draw; absent when there is something. */
  readonly empty?: string | undefined;
  /** The command that gives these numbers. */
  readonly command: string;
  /** For exported files, without an ending: "experiment-3-learning-curves". */
  readonly fileName: string;
  /** What is drawn, as a table; computed only when somebody asks for it. */
  readonly table: () => ChartTable;
  /** Choices that belong to the chart: scale, metric. */
  readonly controls?: ReactNode;
  readonly children: ReactNode;
}

export function ChartFrame(props: ChartFrameProps) {
  const { title, sentence, empty, command, controls, children } = props;
  const id = useId();
  const body = useRef<HTMLDivElement>(null);
  return (
    <section className="chart" aria-labelledby={id}>
      <header>
        <h2 id={id}>{title}</h2>
        <div className="chart-controls">
          {empty === undefined ? controls : null}
          <ExportMenu {...props} canvas={() => body.current?.querySelector("canvas") ?? null} />
        </div>
      </header>
      <p className="chart-sentence">{empty === undefined ? sentence : ""}</p>
      <div ref={body} className="chart-body">
        {empty === undefined ? children : <Empty title={empty} />}
      </div>
      <footer>
        <CommandLine command={command} />
      </footer>
    </section>
  );
}

function ExportMenu({
  title,
  fileName,
  table,
  empty,
  canvas,
}: ChartFrameProps & { readonly canvas: () => HTMLCanvasElement | null }) {
  const { ground } = chartColours(useComputedColorScheme("light"));
  const png = (): void => {
    const drawn = canvas();
    if (drawn) savePng(`${fileName}.png`, drawn, ground);
  };
  const text = (ending: string, type: string, content: string): void =>
    saveFile(`${fileName}.${ending}`, new Blob([content], { type }));
  return (
    <Menu position="bottom-end" withinPortal>
      <Menu.Target>
        <ActionIcon
          variant="subtle"
          color="gray"
          aria-label={`Export: ${title}`}
          disabled={empty !== undefined}
        >
          <DownloadIcon />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item onClick={png}>Picture (PNG)</Menu.Item>
        <Menu.Item onClick={() => text("csv", "text/csv", toCsv(table()))}>Table (CSV)</Menu.Item>
        <Menu.Item onClick={() => text("json", "application/json", toJson(table()))}>
          Table (JSON)
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
