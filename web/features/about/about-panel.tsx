/** What people say of an experiment: its name, labels, description and notes; and the way to a new one from it. */
import { Button, Group, TagsInput, Textarea, TextInput } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import type { Experiment } from "../../../src/protocol/api.ts";
import type { PanelProps } from "../../app/page.ts";
import { client } from "../../live/client.ts";
import { queries } from "../../live/queries.ts";
import { CommandLine, quoted } from "../../parts/command-line.tsx";
import { failureText, type Outcome, Told } from "../../parts/told.tsx";

interface Words {
  readonly name: string;
  readonly labels: readonly string[];
  readonly description: string;
  readonly notes: string;
}

const wordsOf = ({ name, labels, description, notes }: Experiment): Words => ({
  ...{ name, labels, notes },
  description: description ?? "",
});

const isSame = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

export default function AboutPanel({ live: { experiment } }: PanelProps) {
  const { id } = experiment;
  // An experiment that is over sends no news: what was saved last is what it says now.
  const [saved, setSaved] = useState<Words>();
  const there = saved ?? wordsOf(experiment);
  const [draft, setDraft] = useState<Partial<Words>>({});
  const [busy, setBusy] = useState(false);
  const [told, setTold] = useState<Outcome>();
  const words: Words = { ...there, ...draft };
  const changed = (Object.keys(draft) as (keyof Words)[]).filter(
    (name) => !isSame(draft[name], there[name]),
  );
  const save = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    setTold(undefined);
    try {
      const now = await client.updateExperiment(id, {
        ...(changed.includes("name") ? { name: words.name } : {}),
        ...(changed.includes("labels") ? { labels: [...words.labels] } : {}),
        ...(changed.includes("description") ? { description: words.description || null } : {}),
        ...(changed.includes("notes") ? { notes: words.notes } : {}),
      });
      setSaved(wordsOf(now));
      setDraft({});
      setTold({ text: "Saved.", failed: false });
      await queries.invalidateQueries({ queryKey: ["experiments"] });
    } catch (error) {
      setTold({ text: failureText(error), failed: true });
    } finally {
      setBusy(false);
    }
  };
  return (
    <section aria-label="Notes">
      <form className="stack-form" onSubmit={(event) => void save(event)}>
        <TextInput
          size="xs"
          label="Name"
          maxLength={200}
          value={words.name}
          onChange={(event) => setDraft({ ...draft, name: event.currentTarget.value })}
        />
        <TagsInput
          size="xs"
          label="Labels"
          description="Enter or a comma ends one"
          value={[...words.labels]}
          onChange={(labels) => setDraft({ ...draft, labels })}
        />
        <Textarea
          size="xs"
          label="Description"
          autosize
          minRows={2}
          maxRows={10}
          maxLength={20_000}
          value={words.description}
          onChange={(event) => setDraft({ ...draft, description: event.currentTarget.value })}
        />
        <Textarea
          size="xs"
          label="Notes"
          autosize
          minRows={4}
          maxRows={20}
          maxLength={100_000}
          value={words.notes}
          onChange={(event) => setDraft({ ...draft, notes: event.currentTarget.value })}
        />
        <Group gap="xs">
          <Button size="xs" type="submit" loading={busy} disabled={changed.length === 0}>
            Save
          </Button>
          {changed.length === 0 ? null : (
            <Button size="xs" variant="subtle" color="gray" onClick={() => setDraft({})}>
              As it was
            </Button>
          )}
        </Group>
        <Told outcome={told} />
      </form>
      <CommandLine command={commandOf(id, words, changed)} />
      <p>
        <Link
          to={"/create" as string}
          search={{ from: String(id) } as never}
          className="plain-link"
        >
          New experiment from this
        </Link>{" "}
        <span className="dim">begins with its configuration, code and data</span>
      </p>
    </section>
  );
}

function commandOf(id: number, words: Words, changed: readonly (keyof Words)[]): string {
  const parts = [`contrail experiment update ${id}`];
  if (changed.length === 0) return `${parts[0]} --notes TEXT`;
  for (const name of changed)
    if (name !== "labels") parts.push(`--${name} ${quoted(words[name])}`);
    else if (words.labels.length === 0) parts.push("--no-labels");
    else parts.push(`--label ${words.labels.map(quoted).join(" ")}`);
  return parts.join(" ");
}
