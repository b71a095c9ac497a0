/** `metrics export`, `export`, `import`, `whence`. */
import type { Command } from "commander";
import type { Run } from "./shared.ts";

export function addExport(program: Command, run: Run): void {
  const metrics = program
    .command("metrics")
    .alias("m")
    .description("what trials reported, as files for other programs");
  metrics
    .command("export")
    .description("write every point of many trials into one file: Parquet, CSV or Arrow")
    .argument(
      "[query...]",
      "experiments (3) and trials (3.12), or a filter (label:vision best>0.9); all where there is none",
    )
    .requiredOption("-o, --output <file>", "the file to write")
    .option("--format <format>", "parquet, csv or arrow (default: as the file is called)")
    .option("--names <names>", "only these metrics, with commas between them")
    .option("--from <step>", "from this step on")
    .option("--to <step>", "up to this step")
    .option("--superseded", "also points in whose place a later report counts")
    .option("--force", "write over a file that is there")
    .action((query: string[], options) =>
      run(async (cli) =>
        (await import("../commands/metrics.ts")).exportMetrics(cli, query, options),
      ),
    );
  program
    .command("export")
    .description(
      "write everything about a trial into a folder that can be read and checked without a server",
    )
    .argument("<id>", "a trial (3.12), or an experiment (3) for all of its trials")
    .argument("<folder>", "the folder; it is made")
    .option("--with-data", "also the files of its datasets")
    .option(
      "--with-checkpoints [which]",
      "also files of checkpoints: best (and latest) of each trial, or all",
    )
    .action((id: string, folder: string, options) =>
      run(async (cli) =>
        (await import("../commands/export.ts")).exportBundle(cli, id, folder, options),
      ),
    );
  program
    .command("import")
    .description("make an experiment of a folder that `export` wrote, on this or another server")
    .argument("<folder>", "the bundle")
    .action((folder: string) =>
      run(async (cli) => (await import("../commands/import.ts")).importBundle(cli, folder)),
    );
  program
    .command("whence")
    .description("where a file comes from: the run that saved it, its code, data and author")
    .argument("<file>", "a file, the folder of a checkpoint, or a SHA-256")
    .action((file: string) =>
      run(async (cli) => (await import("../commands/whence.ts")).whence(cli, file)),
    );
}
