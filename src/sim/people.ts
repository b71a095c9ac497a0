/** People: they submit work and repeat it until it was taken, change their minds, and once all is well wake what sleeps. */
import type { JsonObject } from "../base/json.ts";
import { ContrailError } from "../protocol/errors.ts";
import { toSearch, toSettings } from "../server/translate.ts";
import { spaceOf } from "./drawn-config.ts";
import type { Submission } from "./drawn-work.ts";
import type { MemoryLedger } from "./memory-ledger.ts";
import type { Act } from "./scenario.ts";
import type { SimContext } from "./sim-context.ts";
import type { SimServer } from "./sim-server.ts";
import { drawnStorage } from "./tidying.ts";

const AGAIN_MS = 700;
/** How long somebody watches a trial that does nothing before ending it. */
const PATIENCE_MS = 3_000;
/** Programs that never end by themselves. */
const ENDLESS = new Set(["hangs", "never reports"]);

export class People {
  readonly #context: SimContext;
  readonly #ledger: MemoryLedger;
  readonly #server: () => SimServer | null;
  /** Submissions that were taken. */
  readonly taken = new Set<string>();

  constructor(context: SimContext, ledger: MemoryLedger, server: () => SimServer | null) {
    this.#context = context;
    this.#ledger = ledger;
    this.#server = server;
  }

  begin(): void {
    const { timeline, scenario } = this.#context;
    for (const submission of scenario.submissions)
      timeline.at(submission.atMs, () => this.#submit(submission));
    for (const act of scenario.acts) timeline.at(act.atMs, () => this.#act(act));
  }

  get done(): boolean {
    return this.taken.size === this.#context.scenario.submissions.length;
  }

  /** Follows `createExperiment`: under one key a submission is made once, however often it is sent. */
  #submit(submission: Submission): void {
    const { timeline } = this.#context;
    const server = this.#server();
    const again = (): void => {
      timeline.after(AGAIN_MS, () => this.#submit(submission));
    };
    if (!server?.ready) return again();
    timeline.reach(server.life, () => {
      if (this.#ledger.table("idempotency").has(`1 ${submission.key}`)) {
        this.taken.add(submission.key);
        return;
      }
      this.#create(server, submission).then(
        (id) => {
          this.#context.trace("person", `${submission.key} is experiment ${id}`);
          this.taken.add(submission.key);
        },
        (error: unknown) => {
          if (error instanceof ContrailError) again();
          else this.#context.fail(error);
        },
      );
    });
    // A server that dies answers nobody.
    timeline.after(10_000, () => {
      if (!this.taken.has(submission.key) && !server.life.alive) again();
    });
  }

  #create(server: SimServer, { key, config: drawn, paused }: Submission): Promise<number> {
    const kept = drawnStorage(this.#context.scenario.seed, key);
    const config = { ...drawn, checkpoint_storage: kept };
    const seed = config.reproducibility.experiment_seed ?? 0;
    const { search, reason } = toSearch(config, seed, spaceOf(config));
    const settings = toSettings(config, search);
    return server.loop.submit({
      name: "create experiment",
      run: (world, turn) => {
        const live = world.create(
          turn,
          {
            ...{ name: config.name ?? "", description: null, labels: [] },
            ...{ workspace: "default", project: "default", owner_id: 1, owner: "ada" },
            ...{ config: config as unknown as JsonObject, config_text: key, data: {}, seed },
            ...{ code: null, provenance: {}, plan: {}, searcher_reason: reason },
            ...{ search_spec: search, progress: 0, best_trial: null, best_step: null },
            ...{ best_objective: null, steps: 0, slot_ms: 0 },
            ...{ created_at: new Date(turn.nowMs), started_at: null, ended_at: null },
          },
          settings,
          { paused, actor: "ada" },
        );
        turn.batch.put(
          "idempotency",
          {
            ...{ user_id: 1, key, request_hash: "", reply: {} },
            created_at: new Date(turn.nowMs),
          },
          "refuse",
        );
        return live.id;
      },
    });
  }

  #act({ verb, experiment, trial }: Act): void {
    const server = this.#server();
    const lives = [...(server?.world.experiments.values() ?? [])];
    const live = lives[Math.floor(experiment * lives.length)];
    if (!server?.ready || !live) return;
    const numbers = [...live.x.trials.keys()];
    const number = trial === null ? undefined : numbers[Math.floor(trial * numbers.length)];
    this.#user(server, verb, live.id, number);
  }

  #user(server: SimServer, verb: Act["verb"], id: number, trial: number | undefined): void {
    const whom = trial === undefined ? {} : { trial };
    this.#context.trace("person", `${verb}s ${trial === undefined ? id : `${id}.${trial}`}`);
    server.command({
      name: verb,
      run: (world, turn) => {
        const live = world.experiments.get(id);
        // What somebody saw may have been taken back with the turn that made it.
        if (live && (trial === undefined || live.x.trials.has(trial)))
          world.apply(turn, live, { type: "user", verb, actor: "ada", ...whom });
      },
    });
  }

  /**
   * Wakes whatever was paused, and after a while ends what never will. Or they have seen enough, and end everything: work that goes on
   * undisturbed shows little for what it costs, so only some runs see it through.
   */
  heal(): void {
    const { timeline, scenario } = this.#context;
    timeline.after(PATIENCE_MS, () => this.#endEndless());
    if (scenario.seesItThrough) this.#wake();
    else this.#endAll();
  }

  #endAll(): void {
    const server = this.#server();
    this.#context.timeline.after(PATIENCE_MS, () => this.#endAll());
    if (!server?.ready) return;
    for (const { id } of server.world.experiments.values())
      this.#user(server, id % 3 === 0 ? "kill" : "cancel", id, undefined);
  }

  #wake(): void {
    const server = this.#server();
    this.#context.timeline.after(2_000, () => this.#wake());
    if (!server?.ready) return;
    for (const live of server.world.experiments.values()) {
      if (live.x.core.run === "paused") this.#user(server, "activate", live.id, undefined);
      for (const number of live.x.live)
        if (live.x.trials.get(number)?.userHold) this.#user(server, "activate", live.id, number);
    }
  }

  #endEndless(): void {
    const server = this.#server();
    this.#context.timeline.after(PATIENCE_MS, () => this.#endEndless());
    if (!server?.ready) return;
    for (const live of server.world.experiments.values())
      for (const number of live.x.live)
        if (ENDLESS.has(this.#context.behaviour(`${live.id}.${number}`)))
          this.#user(server, "kill", live.id, number);
  }
}
