/**
 * The points of a bundle, as CSV and as Parquet from one reading. Only those of runs that its lines speak of: points come
 * after the lines, and an experiment that goes on has begun others by then. The server's two files were refused: each is
 * of another moment, and nobody can take a run out of Parquet again.
 */
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { BATCH_POINTS, PointBatch, type PointEncoder, putWhole } from "../../export/point-batch.ts";
import { POINT_FORMATS } from "../../export/point-files.ts";
import { METRICS_FILE } from "../../protocol/bundle.ts";
import type { Client } from "../../sdk/client.ts";
import type { Point } from "../../sdk/points.ts";
import { plural } from "../figures.ts";
import type { Progress } from "../progress.ts";

const FILES = { csv: METRICS_FILE, parquet: "metrics.parquet" } as const;

/** @param runs as `trial.run` @returns how many points there are */
export async function writePoints(
  client: Pick<Client, "points">,
  folder: string,
  { ids, runs }: { readonly ids: string; readonly runs: ReadonlySet<string> },
  progress: Pick<Progress, "detail">,
): Promise<number> {
  const files: { file: FileHandle; encoder: PointEncoder }[] = [];
  const batch = new PointBatch(BATCH_POINTS);
  let count = 0;
  const flush = async (): Promise<void> => {
    count += batch.length;
    for (const { file, encoder } of files) await file.writeFile(encoder.batch(batch));
    batch.length = 0;
    progress.detail(plural(count, "point"));
  };
  try {
    for (const format of ["csv", "parquet"] as const) {
      const encoder = await POINT_FORMATS[format].encoder();
      const file = await open(join(folder, FILES[format]), "wx");
      files.push({ file, encoder });
      await file.writeFile(encoder.begin());
    }
    for await (const points of client.points({ ids, superseded: true }))
      for (const point of points) {
        if (!runs.has(`${point.trial}.${point.run}`)) continue;
        add(batch, point);
        if (batch.length === BATCH_POINTS) await flush();
      }
    if (batch.length > 0) await flush();
    for (const { file, encoder } of files) await file.writeFile(encoder.end());
  } finally {
    for (const { file } of files) await file.close();
  }
  return count;
}

function add(to: PointBatch, point: Point): void {
  const i = to.length++;
  to.experiment[i] = point.experiment;
  to.trial[i] = point.trial;
  to.run[i] = point.run;
  putWhole(to.seqHalves, i, point.seq);
  putWhole(to.stepHalves, i, point.step);
  putWhole(to.timeHalves, i, Date.parse(point.time));
  to.name[i] = point.name;
  to.value[i] = point.value;
  to.superseded[i] = point.superseded ? 1 : 0;
}
