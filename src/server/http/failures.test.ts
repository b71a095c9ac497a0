import assert from "node:assert/strict";
import { test } from "node:test";
import { toContrailError } from "./failures.ts";

const coded = (code: string, message = "it failed") => Object.assign(new Error(message), { code });

test("a database that is busy or away is no mistake of the server, and worth another try", () => {
  for (const error of [
    new Error("timeout exceeded when trying to connect"),
    new Error("Connection terminated due to connection timeout"),
    new Error("Connection terminated unexpectedly"),
    new Error("Client was closed and is not queryable"),
    ...["08006", "25006", "53300", "55P03", "57014", "57P01", "57P03"].map((code) => coded(code)),
    // It gave way to others eight times, waited too long in a transaction, and read EIO.
    ...["40001", "40P01", "25P03", "58030"].map((code) => coded(code)),
    ...["ECONNREFUSED", "ECONNRESET", "EPIPE", "EHOSTUNREACH", "EAI_AGAIN"].map((code) =>
      coded(code),
    ),
    ...["EMFILE", "ENFILE", "ENOMEM"].map((code) => coded(code)),
  ])
    assert.equal(toContrailError(error).code, "unavailable", error.message);
});

test("a full disk has its own answer, and what nobody expected is a mistake of ours", () => {
  assert.equal(toContrailError(coded("53100")).code, "disk_full");
  for (const code of ["ENOSPC", "EDQUOT"])
    assert.equal(toContrailError(coded(code)).code, "disk_full");
  for (const error of [new Error("no such thing"), coded("42703"), coded("ENOENT"), coded("EIO")])
    assert.equal(toContrailError(error).code, "internal");
});
