/** Containers, GPUs and the probe's answer as fields of a record. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { containerFacts, IMAGE_VARIABLE } from "./container-facts.ts";
import { readGpus } from "./gpu-facts.ts";
import { pythonFacts, readAnswer } from "./python-facts.ts";

const never = (): undefined => undefined;

test("outside a container there is no image; inside, a digest or what to do about it", () => {
  const DIGEST = `sha256:${"c".repeat(64)}`;
  const outside = containerFacts({}, never, () => false);
  assert.deepEqual(outside.captured, {});
  assert.equal(outside.not_applicable[0]?.what, "container");
  const docker = containerFacts({}, never, (path) => path === "/.dockerenv");
  assert.equal(docker.captured.container?.engine, "docker");
  assert.match(docker.missing[0]?.why ?? "", new RegExp(IMAGE_VARIABLE));
  const told = containerFacts({ [IMAGE_VARIABLE]: `repo/image@${DIGEST}` }, never, () => false);
  assert.deepEqual(told.captured.container, {
    engine: "told by its variable",
    image: `repo/image@${DIGEST}`,
    digest: DIGEST,
  });
  assert.deepEqual(told.missing, []);
  const podman = containerFacts(
    {},
    (path) =>
      path === "/run/.containerenv" ? `engine="podman-5"\nimage="i:1"\nimageid="abc"\n` : undefined,
    () => false,
  );
  assert.deepEqual(podman.captured.container, { engine: "podman", image: "i:1", digest: "abc" });
});

test("GPUs by index, with the driver's CUDA version from the head", () => {
  const line = "0, NVIDIA H100 80GB HBM3, GPU-1, 81559, 550.90.07, 96.00.89.00.01, Disabled";
  assert.deepEqual(
    readGpus(`${line}\n`, "| NVIDIA-SMI 550  Driver Version: 550  CUDA Version: 12.4 |"),
    {
      devices: 1,
      driver: "550.90.07",
      cuda: "12.4",
      "0.model": "NVIDIA H100 80GB HBM3",
      "0.uuid": "GPU-1",
      "0.memory_mib": 81559,
      "0.vbios": "96.00.89.00.01",
    },
  );
  assert.equal(readGpus("\n", ""), undefined);
});

test("an answer is found behind whatever else was printed; packages without hashes are counted", () => {
  const answer = {
    interpreter: { path: "/p", version: "3.12.1", flags: { isolated: 0 } },
    places: ["/s"],
    packages: [
      { name: "numpy", version: "2.1.0", sha256: "d".repeat(64) },
      { name: "mine", version: "0", origin: "file:///x editable" },
      { name: "nvidia-cudnn-cu12", version: "9.1" },
    ],
    faults: [],
  };
  const text = `hello from sitecustomize\n\x1econtrail-probe ${JSON.stringify(answer)}\n`;
  const { part } = pythonFacts(readAnswer(text));
  assert.deepEqual(part.captured.packages_observed, {
    "pip:numpy": "2.1.0",
    "pip:mine": "0",
    "pip:nvidia-cudnn-cu12": "9.1",
  });
  assert.deepEqual(part.captured.package_origins, { "pip:mine": "file:///x editable" });
  assert.deepEqual(part.captured.frameworks, { numpy: "2.1.0", cudnn: "9.1" });
  assert.equal(part.captured.interpreter?.flag_isolated, 0);
  assert.match(part.missing[0]?.why ?? "", /^2 of 3 packages/);
  assert.throws(() => readAnswer("no answer"), /printed no answer/);
});
