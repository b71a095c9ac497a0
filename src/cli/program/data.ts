/** `data …`. */
import type { Command } from "commander";
import { listOptions, type Run } from "./shared.ts";

const VERSION = "NAME@VERSION, such as digits@3; NAME alone is its latest version";

export function addData(program: Command, run: Run): void {
  const load = () => import("../commands/data.ts");
  const noun = program
    .command("data")
    .alias("d")
    .description("datasets: versions named by content");
  noun
    .command("add")
    .description(
      "record a folder or file as a version of a dataset; the same content is one version",
    )
    .argument("<name>", "small letters, digits, dots, hyphens and underscores")
    .argument("<path>", "the folder or file; with --reference also s3://BUCKET/PREFIX")
    .option("--no-statistics", "do not look into tables while reading")
    .option("--reference", "copy nothing: register where it is, an absolute path on every node")
    .option("--uri", "of S3: training gets the address, and nothing is fetched before it starts")
    .action((name: string, path: string, options) =>
      run(async (cli) => (await load()).add(cli, name, path, options)),
    );
  listOptions(
    noun
      .command("list")
      .alias("ls")
      .description("list the dataset versions")
      .argument("[name]", "only those of this dataset")
      .option("--removed", "removed ones too"),
  ).action((name: string | undefined, options) =>
    run(async (cli) => (await load()).list(cli, name, options)),
  );
  noun
    .command("show")
    .description("show a version: files, statistics, who added it, which experiments used it")
    .argument("<dataset>", VERSION)
    .option("--files <n>", "how many files to list", "20")
    .action((name: string, options) => run(async (cli) => (await load()).show(cli, name, options)));
  noun
    .command("diff")
    .description("show what lies between two versions: files, and statistics of columns")
    .argument("<from>", VERSION)
    .argument("<to>", VERSION)
    .action((from: string, to: string) => run(async (cli) => (await load()).diff(cli, from, to)));
  noun
    .command("checkout")
    .description("write the files of a version into a new folder")
    .argument("<dataset>", VERSION)
    .argument("<dir>", "the folder; it is made")
    .action((name: string, dir: string) =>
      run(async (cli) => (await load()).checkout(cli, name, dir)),
    );
  noun
    .command("verify")
    .description("read a version again and name what is not what it was")
    .argument("<dataset>", VERSION)
    .option("--quick", "compare sizes and times only")
    .action((name: string, options) =>
      run(async (cli) => (await load()).verify(cli, name, options)),
    );
  noun
    .command("rm")
    .description("remove a version; its number is never given again, its bytes go with gc")
    .argument("<dataset>", "NAME@VERSION, such as digits@3")
    .option("--force <dataset>", "the same name again: also when experiments used it")
    .action((name: string, options) =>
      run(async (cli) => (await load()).remove(cli, name, options)),
    );
}
