/**
 * Many stub trials over the real wire, spread over a few nodes, each with connections of its own and one request for
 * events at a time. The server knows one runner, so all nodes speak under its name, and the first of them asks for the
 * orders of all: if each asked, each would be sent those of every trial, and fifty nodes would read a
 * thousand trials' orders fifty times.
 */
import { parseId } from "../../src/base/ids.ts";
import { type Bench, until } from "../bench.ts";
import { type StubAllocation, StubRunner, type StubRunnerOptions } from "../stub-runner.ts";
import { createExperiment, type StubSubject } from "../subjects.ts";

export interface Fleet {
  readonly experiment: number;
  /** In the order in which they were launched. */
  readonly allocations: readonly StubAllocation[];
  /** Whether everything that was sent has been acknowledged. @throws Error when a node has failed */
  delivered(): boolean;
  stop(): void;
}

export interface FleetOptions extends Pick<StubRunnerOptions, "acked"> {
  readonly name: string;
  readonly trials: number;
  readonly nodes: number;
  /** Of each trial; default: without end. */
  readonly steps?: number;
  /** Once for each trial, when it has been told to start. */
  readonly launched?: (allocation: StubAllocation) => void;
}

/** @returns when every trial runs */
export async function startFleet(
  bench: Bench,
  subject: StubSubject,
  options: FleetOptions,
): Promise<Fleet> {
  const { name, trials, nodes, steps = 1e9, launched } = options;
  const allocations: StubAllocation[] = [];
  const ownerOf = ({ id }: { readonly id: string }): number => (parseId(id)?.trial ?? 0) % nodes;
  const runners: StubRunner[] = Array.from(
    { length: nodes },
    (_, node) =>
      new StubRunner(
        subject.wire(),
        (allocation) => {
          allocation.started();
          allocations.push(allocation);
          launched?.(allocation);
        },
        {
          ...(options.acked && { acked: options.acked }),
          asks: node === 0,
          owns: (orders) => ownerOf(orders) === node,
          passOn: (orders) => runners[ownerOf(orders)]?.give(orders),
        },
      ),
  );
  const experiment = await createExperiment(subject.client, { name, trials, steps });
  const fine = (): boolean => runners.every((runner) => runner.isOver(true));
  await until(bench, `all ${trials} trials run`, () => fine() && allocations.length >= trials);
  return {
    experiment,
    allocations,
    delivered: () => fine() && runners.every((runner) => runner.isDelivered),
    stop: () => {
      for (const runner of runners) runner.stop();
    },
  };
}
