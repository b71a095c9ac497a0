import assert from "node:assert/strict";
import { test } from "node:test";
import { ashaSearch, Play, specWith } from "../../core/lifecycle/lifecycle-fixtures.test.ts";
import { ContrailError } from "../../protocol/errors.ts";
import type { LiveExperiment } from "../live-experiment.ts";
import { refuseOnExperiment, refuseOnTrial, type Verb } from "./refused-verbs.ts";

const VERBS: readonly Verb[] = ["activate", "pause", "cancel", "kill"];

const refused = (act: (verb: Verb) => void): (string | null)[] =>
  VERBS.map((verb) => {
    try {
      act(verb);
      return null;
    } catch (error) {
      assert.ok(error instanceof ContrailError && error.code === "conflict");
      return `${error.message} ${error.hint}`;
    }
  });

test("what is stopping or over is neither paused nor activated, and says what it is; ending it is no mistake", () => {
  const play = new Play(specWith(ashaSearch())).run(1).run(2);
  const live = { x: play.x } as LiveExperiment;
  const row = { id: "3.1", state: "completed" };
  const onTrial = (verb: Verb) => refuseOnTrial(verb, 1, live, row);
  const onExperiment = (verb: Verb) => refuseOnExperiment(verb, 3, live, "active");
  const none = [null, null, null, null];
  assert.deepEqual([refused(onTrial), refused(onExperiment)], [none, none]);

  play.user("cancel", 1);
  const [activate, pause, ...end] = refused(onTrial);
  assert.match(activate ?? "", /^trial 3\.1 is stopping; .* can be activated .*trial show 3\.1/);
  assert.match(pause ?? "", /^trial 3\.1 is stopping; .* can be paused/);
  assert.deepEqual(end, [null, null]);
  assert.deepEqual(refused(onExperiment), none);

  play.user("cancel");
  assert.match(refused(onExperiment)[1] ?? "", /^experiment 3 is stopping; .*experiment show 3/);
  play.obey();
  assert.match(refused(onExperiment)[0] ?? "", /^experiment 3 is canceled/);
  assert.match(refused(onTrial)[0] ?? "", /^trial 3\.1 is canceled/);
  const gone = refused((verb) => refuseOnTrial(verb, 1, undefined, row));
  assert.match(gone[1] ?? "", /^trial 3\.1 is completed/);
  const ended = refused((verb) => refuseOnExperiment(verb, 3, undefined, "error"));
  assert.match(ended[1] ?? "", /^experiment 3 is error/);
});
