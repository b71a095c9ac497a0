import assert from "node:assert/strict";
import { test } from "node:test";
import { keyed } from "../base/random.ts";
import { readConfig, readDrawn } from "./drawn-config.ts";
import { drawDocument } from "./drawn-work.ts";
import { SIZES } from "./sizes.ts";

test("a configuration put together from one of its form is what reading its own document gives", () => {
  for (const size of Object.values(SIZES))
    for (let seed = 0; seed < 400; seed++) {
      const document = drawDocument(keyed(seed, "config"), seed % 4, { slots: size.slots, size });
      assert.deepEqual(readDrawn(document), readConfig(document), JSON.stringify(document));
    }
});
