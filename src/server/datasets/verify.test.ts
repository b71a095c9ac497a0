/** One stretch is read once, by however many it is asked for; and what a S3 that does not answer is taken for. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { ContrailError } from "../../protocol/errors.ts";
import { openBlobFolder } from "../../store/blobs.ts";
import { canonicalReference } from "../../store/data-reference.ts";
import type { DatasetRow } from "../../store/dataset-store.ts";
import { Verifications, type VerifyContext, verifyStretch } from "./verify.ts";

test("what is being verified already is not read once more beside it", async () => {
  const opened: ((content: undefined) => void)[] = [];
  const blobs = { open: () => new Promise((resolve) => void opened.push(resolve)) };
  const context = { blobs, environment: {} } as unknown as VerifyContext;
  const row = { kind: "s3", snapshot: "a".repeat(64) } as const;
  const whole = { after: 0, full: true, limitMs: 1 };
  const verifications = new Verifications();
  const look = (full = true) => verifications.stretch(context, row, { ...whole, full });
  const [one, same, other] = [look(), look(), look(false)];
  assert.equal(opened.length, 2);
  for (const open of opened) open(undefined);
  assert.equal(await one, await same);
  assert.notEqual(await one, await other);
  void look();
  assert.equal(opened.length, 3, "what is over is looked at anew");
});

for (const [status, code, expected] of [
  [503, "SlowDown", "unavailable"],
  [403, "AccessDenied", "unreadable"],
] as const)
  test(`${status} ${code} of S3 is ${expected}`, async (t) => {
    const server = createServer((_request, response) => {
      response.writeHead(status, { "content-type": "application/xml" });
      response.end(`<Error><Code>${code}</Code></Error>`);
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const folder = mkdtempSync(join(tmpdir(), "contrail-verify-"));
    t.after(async () => {
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
      await rm(folder, { recursive: true });
    });
    const blobs = await openBlobFolder(folder);
    const file = { path: "rows.csv", size: 4, hash: null, mtimeNs: null, etag: "e" };
    const { bytes, hash } = canonicalReference({
      ...{ kind: "s3", place: "s3://bucket/data", uri: false, files: [file] },
    });
    await blobs.put(bytes);
    const { port } = server.address() as AddressInfo;
    const environment = { AWS_ENDPOINT_URL: `http://127.0.0.1:${port}` };
    const verified = verifyStretch(
      { blobs, clock: { monotonicMs: () => 0 }, environment },
      { kind: "s3", snapshot: hash } as unknown as DatasetRow,
      { after: 0, full: false, limitMs: 1000 },
    );
    const said = await verified.then(
      ({ differences }) => differences[0]?.code,
      (error: unknown) => (error instanceof ContrailError ? error.code : error),
    );
    assert.equal(said, expected);
  });
