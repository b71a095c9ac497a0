/** Answers as Kubernetes gives them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { EngineUnreachable, JobDeferred, JobRefused } from "../job-engine.ts";
import { ApiFault } from "./api.ts";
import { translated } from "./refusals.ts";

const quota = (kind: string, requested: string, used: string, limited: string): string =>
  `${kind} "contrail-1-1-1" is forbidden: exceeded quota: team, requested: ${requested}, used: ${used}, limited: ${limited}`;

type Kind = typeof JobDeferred | typeof JobRefused | typeof EngineUnreachable;

const answers: readonly (readonly [string, number, Kind, pods?: number])[] = [
  [quota("pods", "pods=1", "pods=2", "pods=2"), 403, JobDeferred],
  [
    quota(
      "pods",
      "limits.memory=2Gi,requests.nvidia.com/gpu=1",
      "limits.memory=3Gi,requests.nvidia.com/gpu=0",
      "limits.memory=4096Mi,requests.nvidia.com/gpu=1",
    ),
    403,
    JobDeferred,
  ],
  [
    quota("pods", "limits.memory=8Gi,pods=1", "limits.memory=0,pods=0", "limits.memory=4Gi,pods=9"),
    403,
    JobRefused,
  ],
  [quota("pods", "requests.cpu=1500m", "requests.cpu=0", "requests.cpu=1"), 403, JobRefused],
  [quota("pods", "requests.cpu=1500m", "requests.cpu=3", "requests.cpu=4"), 403, JobDeferred, 2],
  [quota("pods", "requests.cpu=1500m", "requests.cpu=3", "requests.cpu=4"), 403, JobRefused, 3],
  [quota("secrets", "secrets=1", "secrets=3", "secrets=3"), 403, JobDeferred, 4],
  [
    'pods "a" is forbidden: failed quota: team: must specify limits.cpu for: contrail',
    403,
    JobRefused,
  ],
  [
    'pods "a" is forbidden: violates PodSecurity "baseline:latest": hostPath volumes',
    403,
    JobRefused,
  ],
  [
    'pods "a" is forbidden: maximum memory usage per Container is 1Gi, but limit is 2Gi',
    403,
    JobRefused,
  ],
  ['Pod "a" is invalid: metadata.labels: Invalid value: "no label!"', 422, JobRefused],
  ['pods is forbidden: User "ann" cannot create resource "pods"', 403, EngineUnreachable],
  ["etcdserver: request timed out", 500, EngineUnreachable],
];
for (const [message, code, expected, pods = 1] of answers)
  test(`${expected.name} with ${pods}: ${message.replace(/^.*is forbidden: /, "")}`, () =>
    assert.rejects(
      translated(
        "job 1.1.1 cannot be launched",
        async () => {
          throw new ApiFault(code, "Forbidden", message, "POST");
        },
        { pods },
      ),
      (error: Error) => error.constructor === expected && error.message.includes(message),
    ));

for (const [what, fault] of [
  ["a question that is not understood", new ApiFault(400, "BadRequest", "no such field", "GET")],
  ["a patch that is not taken", new ApiFault(422, "Invalid", "too long", "PATCH")],
  ["a proxy that takes no request", new ApiFault(400, "", "400: <html>Bad Request", "POST")],
] as const)
  test(`${what} says nothing of a job`, () =>
    assert.rejects(
      translated("job 1.1.1 cannot be launched", () => Promise.reject(fault)),
      EngineUnreachable,
    ));
