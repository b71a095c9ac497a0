/** `GET /why/:kind/:id`: why a thing is as it is, in sentences with their figures and the events they rest on. */
import { z } from "zod";
import { parseId } from "../../base/ids.ts";
import * as api from "../../protocol/api.ts";
import { ContrailError } from "../../protocol/errors.ts";
import { answerExperiment, answerSearcher } from "../why/experiment-answer.ts";
import { readExperimentFacts, readSlotFacts, readTrialFacts } from "../why/read-facts.ts";
import { answerAllocation, answerSlot } from "../why/slot-answer.ts";
import { answerTrial } from "../why/trial-answer.ts";
import type { App } from "./app.ts";
import { noExperiment, noTrial, type RouteContext, trialKey } from "./context.ts";

const SHAPES: Readonly<Record<api.WhyKind, string>> = {
  experiment: "3",
  searcher: "3 (the experiment)",
  trial: "3.12",
  allocation: "3.12.2",
  slot: "cpu:0",
};

export function whyRoutes(app: App, context: RouteContext): void {
  app.get(
    "/why/:kind/:id",
    {
      config: { access: ["read"] },
      schema: {
        params: z.object({ kind: api.whyKind, id: z.string().max(200) }),
        response: { 200: api.why },
        tags: ["audit"],
      },
    },
    async (request) => answer(context, request.params.kind, request.params.id),
  );
}

async function answer(context: RouteContext, kind: api.WhyKind, id: string): Promise<api.Why> {
  const { readPool, world, nodes, clock } = context;
  const sources = { readPool, world, nodes, nowMs: clock.nowMs() };
  const parsed = parseId(id);
  switch (kind) {
    case "experiment":
    case "searcher": {
      if (!parsed || parsed.trial !== undefined) throw malformed(kind, id);
      const facts = await readExperimentFacts(sources, parsed.experiment);
      if (!facts) throw noExperiment(parsed.experiment);
      return kind === "experiment" ? answerExperiment(facts) : answerSearcher(facts);
    }
    case "trial": {
      const facts = await readTrialFacts(sources, trialKey(id));
      if (!facts) throw noTrial(id);
      return answerTrial(facts);
    }
    case "allocation": {
      if (parsed?.trial === undefined || parsed.run === undefined) throw malformed(kind, id);
      const { experiment, trial: number, run } = parsed;
      const facts = await readTrialFacts(sources, { experiment, number });
      if (!facts) throw noTrial(`${experiment}.${number}`);
      const allocation = facts.allocations.find((a) => a.run === run);
      if (!allocation)
        throw new ContrailError("not_found", `trial ${facts.id} has had no allocation ${id}`, {
          hint: `It has had ${facts.allocations.length}: contrail trial show ${facts.id}.`,
        });
      return answerAllocation(facts, allocation);
    }
    case "slot": {
      const facts = await readSlotFacts(sources, id);
      if (facts) return answerSlot(facts);
      throw new ContrailError("not_found", `there is no slot ${JSON.stringify(id)}`, {
        hint: "Those there are: contrail slot list.",
      });
    }
  }
}

const malformed = (kind: api.WhyKind, id: string): ContrailError =>
  new ContrailError("not_found", `${JSON.stringify(id)} names no ${kind}`, {
    hint: `Write it like ${SHAPES[kind]}.`,
  });
