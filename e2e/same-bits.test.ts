/** A trial that the search has paused and resumed ends with the bytes of one that never was. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, test } from "node:test";
import { curveSearch, type Stand, sharedStand } from "./support.ts";

describe("a trial that is paused", () => {
  const shared = sharedStand({ slots: 2 });

  for (const file of ["curve.ts", "curve.py"])
    test(`ends with the same bits (${file})`, async () => {
      const it = shared();
      const code = await it.codeFolder({}, [file]);
      const entrypoint = file === "curve.py" ? ["python3", file] : `node ${file}`;
      const searcher = { max_trials: 9, max_concurrent_trials: 2 };
      const asha = { ...searcher, name: "asha", divisor: 3, num_rungs: 3 };
      const raced = await it.submit(
        curveSearch({ ...asha, max_length: { epochs: 9 } }, { entrypoint, byNumber: true }),
        code,
      );
      const random = { ...searcher, name: "random", max_length: { epochs: 3 } };
      const whole = await it.submit(curveSearch(random, { entrypoint, byNumber: true }), code);
      await it.ended(raced.id);
      await it.ended(whole.id);
      const unpaused = new Map(
        (await it.details(whole.id)).map((trial) => [JSON.stringify(trial.hyperparameters), trial]),
      );
      let compared = 0;
      for (const trial of await it.details(raced.id)) {
        // Paused after the first epoch, and gone on to the third from its checkpoint.
        if (trial.allocations[1]?.start_step !== 1) continue;
        const same = unpaused.get(JSON.stringify(trial.hyperparameters));
        assert.ok(same, "both searches draw the same hyperparameters");
        assert.equal(trial.seed, same.seed);
        assert.equal(same.allocations.length, 1);
        const { items } = await it.client.trialCheckpoints(trial.id);
        assert.equal(items.find(({ step }) => step === 3)?.id, same.checkpoint?.id);
        assert.deepEqual((await it.series(trial.id)).slice(0, 3), await it.series(same.id));
        compared += 1;
      }
      assert.ok(compared > 0, "some trial was paused and went on");
    });

  test("by a person, several times, at any step: the same", async () => {
    const it = shared();
    const code = await it.codeFolder({}, ["curve.ts"]);
    const searcher = { name: "random", max_length: { epochs: 40 }, max_trials: 1 };
    const steps = [5, 15, 25];
    const environment = { E2E_HOLD_AT: steps.join(",") };
    const whole = await it.submit(curveSearch(searcher), code);
    const paused = await it.submit(curveSearch(searcher, { environment }), code);
    const id = `${paused.id}.1`;
    for (const step of steps) {
      await it.trialWhen(id, `is past step ${step}`, (trial) => trial.step >= step);
      await it.client.changeTrial(id, "pause");
      await it.trialWhen(id, "is paused", (trial) => trial.state === "paused");
      await it.client.changeTrial(id, "activate");
    }
    await it.ended(whole.id);
    await it.ended(paused.id);
    const [a, b] = [await it.client.trial(`${whole.id}.1`), await it.client.trial(id)];
    assert.equal(b.allocations.length, 4);
    assert.equal(a.checkpoint?.id, b.checkpoint?.id);
    assert.equal(await filesOf(it, a.checkpoint?.id), await filesOf(it, b.checkpoint?.id));
  });
});

/** Hash over the files themselves, as they come over the wire. */
async function filesOf(it: Stand, id = ""): Promise<string> {
  const digest = createHash("sha256");
  for (const { hash, path, size } of (await it.client.checkpoint(id)).tree) {
    const bytes = Buffer.from(await new Response(await it.client.getBlob(hash)).arrayBuffer());
    assert.equal(bytes.length, size);
    assert.equal(createHash("sha256").update(bytes).digest("hex"), hash);
    digest.update(path).update(bytes);
  }
  return digest.digest("hex");
}
