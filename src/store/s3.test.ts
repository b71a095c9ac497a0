/** What lies below a prefix by now may be far more than what was registered there. */
import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import { compareS3, S3Place } from "./s3.ts";

const PAGE = 1000;
let asked = 0;
let pages = Number.POSITIVE_INFINITY;
const server = createServer((request, response) => {
  asked += 1;
  const url = new URL(request.url ?? "", "http://x");
  const page = Number(url.searchParams.get("continuation-token") ?? 0);
  const objects = Array.from(
    { length: PAGE },
    (_, i) =>
      `<Contents><Key>logs/${page * PAGE + i}</Key><Size>1</Size><ETag>"e"</ETag></Contents>`,
  ).join("");
  const more = page + 1 < pages;
  const token = more ? `<NextContinuationToken>${page + 1}</NextContinuationToken>` : "";
  response.setHeader("content-type", "application/xml");
  response.end(
    `<ListBucketResult><IsTruncated>${more}</IsTruncated>${token}${objects}</ListBucketResult>`,
  );
});
let environment = {};
before(async () => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  environment = { AWS_ENDPOINT_URL: `http://127.0.0.1:${port}` };
});
after(() => new Promise((resolve) => server.close(resolve)));

test("only what was asked for is kept of a list, and the rest counts against its limit", async () => {
  pages = 3;
  const place = new S3Place("s3://bucket/logs", environment);
  const kept = await place.list(3000, (path) => ["7", "2500"].includes(path));
  assert.deepEqual(
    kept.map(({ path }) => path),
    ["7", "2500"],
  );
  pages = Number.POSITIVE_INFINITY;
  asked = 0;
  await assert.rejects(
    place.list(3000, () => false),
    /has more than 3000 objects/,
  );
  assert.equal(asked, 4);
});

test("a version is compared with what has its names, whatever else lies there", async () => {
  pages = 2;
  const file = { size: 1, hash: null, mtimeNs: null, etag: "e" };
  const files = [
    { ...file, path: "5" },
    { ...file, path: "1999", size: 2 },
    { ...file, path: "gone" },
  ];
  const found = await compareS3(
    { kind: "s3", place: "s3://bucket/logs", uri: true, files },
    environment,
  );
  assert.deepEqual(
    found.map(({ path, code }) => [path, code]),
    [
      ["1999", "changed"],
      ["gone", "missing"],
    ],
  );
});
