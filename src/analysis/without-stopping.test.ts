import assert from "node:assert/strict";
import { test } from "node:test";
import { withoutStopping } from "./without-stopping.ts";

test("steps follow from the plan, the rest from the pace", () => {
  const spent = { steps: 50, seconds: 10, slot_seconds: 20 };
  assert.deepEqual(withoutStopping(spent, 200), {
    ...{ factor: 4, steps: 200, seconds: 40, slotSeconds: 80 },
  });
  assert.equal(withoutStopping(spent, 50), undefined);
  assert.equal(withoutStopping(spent, null), undefined);
  assert.equal(withoutStopping({ ...spent, steps: 0 }, 200), undefined);
});
