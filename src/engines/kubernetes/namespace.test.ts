/** What is proof of an object's end, and what says nothing, over HTTP. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type TestContext, test } from "node:test";
import { realClock } from "../../base/real-clock.ts";
import { EngineUnreachable, JobRefused } from "../job-engine.ts";
import { ApiFault, KubernetesApi } from "./api.ts";
import type { ClusterAccess } from "./kubeconfig.ts";
import { Namespace } from "./namespace.ts";
import { translated } from "./refusals.ts";

async function namespace(t: TestContext, status: number, body: string): Promise<Namespace> {
  const server = createServer((_request, response) => {
    response.writeHead(status);
    response.end(body);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const access = { server: new URL(`http://127.0.0.1:${port}`), source: "a test", insecure: false };
  const api = new KubernetesApi({
    ...{ clock: realClock, environment: {} },
    access: () => access as unknown as ClusterAccess,
  });
  t.after(async () => {
    api.close();
    server.closeAllConnections();
    await new Promise((closed) => server.close(closed));
  });
  return new Namespace(api, "ann");
}

test("a pod is gone when Kubernetes says so", async (t) => {
  const gone = JSON.stringify({ kind: "Status", code: 404, reason: "NotFound", message: "none" });
  assert.equal(await (await namespace(t, 404, gone)).pod("a"), undefined);
});

for (const body of ["404 page not found", '{"message":"no Route matched"}', ""])
  test(`a 404 with ${body || "nothing"} is a proxy's, and no pod is gone by it`, async (t) => {
    await assert.rejects((await namespace(t, 404, body)).pod("a"), ApiFault);
  });

test("a webhook that denies what was sent gives no reason, and judges it all the same", async (t) => {
  const message = 'admission webhook "validate.kyverno.svc-fail" denied the request: no label team';
  const denied = { kind: "Status", apiVersion: "v1", status: "Failure", message, code: 400 };
  for (const [body, expected] of [
    [denied, JobRefused],
    [{ message: "Bad Request" }, EngineUnreachable],
  ] as const) {
    const there = await namespace(t, 400, JSON.stringify(body));
    const pod = { metadata: { name: "a", namespace: "ann" } };
    const made = translated("job 1.1.1 cannot be launched", () => there.create("pods", pod));
    await assert.rejects(made, expected);
  }
});

test("a page of a portal is no answer of Kubernetes", async (t) => {
  const portal = await namespace(t, 200, "<html>sign in</html>");
  await assert.rejects(
    portal.pod("a"),
    (error) => error instanceof EngineUnreachable && /no JSON: <html>sign in/.test(error.message),
  );
});
