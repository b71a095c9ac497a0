/** The engine whose programs are containers, by the contract of node engines, on a real Docker engine. */
import { test } from "node:test";
import { realClock } from "../../src/base/real-clock.ts";
import { DockerApi } from "../../src/engines/docker/docker-api.ts";
import { dockerEngine } from "../../src/engines/docker/docker-engine.ts";
import { containerOf, dockerPoolOf, testDocker } from "./docker.ts";
import { nodeEngineContract } from "./node-engine-contract.ts";

const docker = await testDocker();
if (typeof docker === "string") test("the node engine docker", { skip: docker }, () => {});
else
  nodeEngineContract("docker", () => ({
    engine: dockerEngine({
      clock: realClock,
      environment: process.env,
      pool: dockerPoolOf(docker.socket),
    }),
    launch: { container: containerOf() },
    // Nobody else uses this engine.
    left: async (id) => {
      const filters = JSON.stringify({ label: [`contrail.allocation=${id}`] });
      const query = { all: "1", filters };
      const path = "/containers/json";
      return (await new DockerApi(docker.socket).json<unknown[]>({ method: "GET", path, query }))
        .length;
    },
  }));
