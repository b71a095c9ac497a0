/** See `paused.test.ts`. */
import { describe, test } from "node:test";
import { pauseTorch, python } from "./paused-torch.ts";
import { sharedStand } from "./support.ts";
import { NO_TORCH } from "./torch-python.ts";

const skip = python === undefined ? NO_TORCH : false;

describe("a PyTorch trial that is paused up to ten times at random steps ends with the same bits", () => {
  const shared = sharedStand({ slots: 4 });

  test("a CNN with batch statistics", { skip }, () =>
    pauseTorch(shared(), { network: "cnn", dropout: 0, workers: 0 }),
  );
});
