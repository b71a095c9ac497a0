/** Steps that take as long as a law of speed-up says: a part that is shared by all ranks, and a part that is not. */
import * as contrail from "contrail";

const trial = await contrail.init({ params: { serial_ms: 150, parallel_ms: 850, rate: 0 } });
const { serial_ms: serial, parallel_ms: parallel, rate } = trial.params;

for await (const step of trial.steps()) {
  await new Promise((resolve) => setTimeout(resolve, serial + parallel / trial.size));
  trial.report(step, { loss: 1 / step, rate, size: trial.size });
}
