import assert from "node:assert/strict";
import { test } from "node:test";
import { searchRungs } from "./methods.ts";
import type { MethodSpec, SearchAction } from "./search.ts";
import { Player, specOf } from "./search-fixtures.test.ts";

const method: MethodSpec = {
  name: "hyperband",
  divisor: 2,
  trialsMax: 4,
  stepsMax: 4,
  stragglerFactor: 3,
  concurrentMax: 0,
};

/** Lets seconds pass one by one, with a tick each. @returns what was said meanwhile */
function pass(player: Player, seconds: number): SearchAction[] {
  return Array.from({ length: seconds }).flatMap(() => {
    player.nowMs += 1000;
    return player.send({ type: "tick" });
  });
}

/** Four trials set out; trials 1 to 3 arrive after two seconds. */
function threeArrived(over: Partial<typeof method> = {}): Player {
  const player = new Player(specOf({ ...method, ...over } as MethodSpec), { restores: true });
  player.send({ type: "start" });
  assert.equal(player.trials.size, 4);
  pass(player, 2);
  for (const trial of [1, 2, 3]) player.report(trial, 1, trial);
  return player;
}

test("the last trial of a rung has three times the median of the others, and not a tick more", () => {
  const player = threeArrived();
  assert.deepEqual(pass(player, 4), [], "six seconds are three times two");
  const actions = pass(player, 1);
  const said = actions.map((a) => (a.type === "finish" ? a.type : `${a.type} ${a.trial}`));
  assert.deepEqual(said, ["stop 4", "stop 3", "train 1", "train 2"]);
  assert.equal(actions[0]?.cause.code, "straggler");
  assert.match(actions[0]?.cause.text ?? "", /trained 7 s .* median of the 3 who arrived is 2 s/);
  const [bottom] = searchRungs(player.spec, player.state);
  assert.deepEqual(
    bottom?.entries.map((e) => [e.trial, e.outcome]),
    [
      [1, "promoted"],
      [2, "promoted"],
      [3, "stopped"],
    ],
    "trial 4 counted for the rule and never came",
  );
});

test("time in the queue does not count once the slots are known to have come", () => {
  const player = threeArrived();
  pass(player, 3);
  player.send({ type: "granted", trial: 4 });
  assert.deepEqual(pass(player, 6), []);
  assert.equal(pass(player, 1).length, 4);
});

test("time without slots does not count", () => {
  const player = threeArrived();
  player.send({ type: "yielded", trial: 4 });
  assert.deepEqual(pass(player, 100), []);
  player.send({ type: "granted", trial: 4 });
  assert.deepEqual(pass(player, 4), [], "two seconds before, four after");
  assert.equal(pass(player, 1).length, 4);
});

test("a gap in which nobody listened counts ten seconds at most, a clock that steps back none", () => {
  const player = threeArrived({ stragglerFactor: 8 } as Partial<typeof method>);
  player.nowMs += 3_600_000;
  assert.deepEqual(player.send({ type: "tick" }), [], "two and ten are less than sixteen");
  player.nowMs -= 7_200_000;
  assert.deepEqual(player.send({ type: "tick" }), []);
  assert.deepEqual(pass(player, 4), []);
  assert.equal(pass(player, 1).length, 4);
});

test("fewer arrivals than missing trials are no measure, and 0 turns the rule off", () => {
  const one = new Player(specOf(method));
  one.send({ type: "start" });
  pass(one, 1);
  one.report(1, 1, 1);
  assert.deepEqual(pass(one, 1000), []);
  const off = threeArrived({ stragglerFactor: 0 } as Partial<typeof method>);
  assert.deepEqual(pass(off, 1000), []);
});

test("nobody is dropped at the top, where nobody waits", () => {
  const player = threeArrived();
  pass(player, 5);
  for (const trial of [3, 4]) player.exit(trial);
  for (const trial of [1, 2]) player.report(trial, 2, trial);
  player.exit(2);
  assert.deepEqual(player.with("training"), [1]);
  assert.deepEqual(pass(player, 1000), []);
  player.report(1, 4, 1);
  player.exit(1);
  assert.equal(player.finish?.outcome, "completed");
});
