/** `template …` and `workspace …`. */
import type { Command } from "commander";
import { listOptions, type Run } from "./shared.ts";

const NOUNS = [
  {
    kind: "template",
    noun: "templates: parts of configurations that experiments name (docs/templates.md)",
    set: "keep a file as the template of this name; what it says holds where a submission says nothing",
    name: "small letters, digits, dots, hyphens and underscores",
    list: "list the templates; of one, all its versions",
    show: "show a template as it was written",
    rm: "remove a template; its versions can still be shown",
  },
  {
    kind: "workspace",
    noun: "workspaces, and the defaults of what is submitted to them (docs/templates.md)",
    set: "keep a file as the defaults of this workspace; they hold under templates, over those of pools",
    name: "the workspace; default is that of experiments that name none",
    list: "list the workspaces that have defaults; of one, all their versions",
    show: "show the defaults of a workspace as they were written",
    rm: "remove the defaults of a workspace; their versions can still be shown",
  },
] as const;

export function addLayers(program: Command, run: Run): void {
  const load = () => import("../commands/layer.ts");
  for (const { kind, ...text } of NOUNS) {
    const noun = program.command(kind).description(text.noun);
    noun
      .command("set")
      .description(text.set)
      .argument("<name>", text.name)
      .argument("<file>", "part of a configuration (YAML)")
      .action((name: string, file: string) =>
        run(async (cli) => (await load()).set(cli, kind, name, file)),
      );
    listOptions(
      noun.command("list").alias("ls").description(text.list).argument("[name]", "only this one"),
    ).action((name: string | undefined, options) =>
      run(async (cli) => (await load()).list(cli, kind, name, options)),
    );
    noun
      .command("show")
      .description(text.show)
      .argument("<name>", "NAME, or NAME@VERSION for an earlier version, also a removed one")
      .action((name: string) => run(async (cli) => (await load()).show(cli, kind, name)));
    noun
      .command("rm")
      .description(text.rm)
      .argument("<name>", "its name")
      .action((name: string) => run(async (cli) => (await load()).remove(cli, kind, name)));
  }
}
