/** What people say of an experiment: its name, labels, description and notes; and the way to a new one from it. */
import { Button, Group, TagsInput, Textarea, TextInput } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import type { Experiment } from "../../../src/protocol/api.ts";
import type { PanelProps } from "../../app/page.ts";
import { client } from "../../live/client.ts";
import { queries } from "../../live/queries.ts";
import { CommandLine, quoted } from "../../parts/command-line.tsx";
import { type LabelChange, labelFields, labelOptions } from "../../parts/label-change.ts";
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

type TextName = Exclude<keyof Words, "labels">;
const TEXTS: readonly TextName[] = ["name", "description", "notes"];

/** Of labels only what is put on and taken off: others may put on theirs while one writes. */
type Draft = Partial<Pick<Words, TextName>> & { readonly labels?: LabelChange };

const isSame = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

export default function AboutPanel({ live: { experiment } }: PanelProps) {
  const { id } = experiment;
  const live = wordsOf(experiment);
  // What was saved, until the news of it comes; what it says from then on may be somebody else's already.
  const [saved, setSaved] = useState<{ readonly now: Words; readonly before: Words }>();
  if (saved && !isSame(live, saved.before)) setSaved(undefined);
  const there = saved?.now ?? live;
  const [draft, setDraft] = useState<Draft>({});
  const [busy, setBusy] = useState(false);
  const [told, setTold] = useState<Outcome>();
  const { labels: relabelled, ...texts } = draft;
  const labels: LabelChange = {
    added: (relabelled?.added ?? []).filter((one) => !there.labels.includes(one)),
    removed: (relabelled?.removed ?? []).filter((one) => there.labels.includes(one)),
  };
  const words: Words = {
    ...there,
    ...texts,
    labels: [...there.labels.filter((one) => !labels.removed.includes(one)), ...labels.added],
  };
  const changed = TEXTS.filter((name) => words[name] !== there[name]);
  const isChanged = changed.length > 0 || !isSame(words.labels, there.labels);
  const save = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    setTold(undefined);
    try {
      const now = await client.updateExperiment(id, {
        ...(changed.includes("name") ? { name: words.name } : {}),
        ...labelFields(labels),
        ...(changed.includes("description") ? { description: words.description || null } : {}),
        ...(changed.includes("notes") ? { notes: words.notes } : {}),
      });
      setSaved({ now: wordsOf(now), before: live });
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
          onChange={(chosen) =>
            setDraft({
              ...draft,
              labels: {
                added: chosen.filter((one) => !there.labels.includes(one)),
                removed: there.labels.filter((one) => !chosen.includes(one)),
              },
            })
          }
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
          <Button size="xs" type="submit" loading={busy} disabled={!isChanged}>
            Save
          </Button>
          {isChanged ? (
            <Button size="xs" variant="subtle" color="gray" onClick={() => setDraft({})}>
              As it was
            </Button>
          ) : null}
        </Group>
        <Told outcome={told} />
      </form>
      <CommandLine command={commandOf(id, words, changed, labels)} />
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

function commandOf(
  id: number,
  words: Words,
  changed: readonly TextName[],
  labels: LabelChange,
): string {
  const options = [
    ...changed.map((name) => `--${name} ${quoted(words[name])}`),
    ...labelOptions(labels),
  ];
  return `contrail experiment update ${id} ${options.length === 0 ? "--notes TEXT" : options.join(" ")}`;
}
