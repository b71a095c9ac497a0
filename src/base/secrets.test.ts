import assert from "node:assert/strict";
import { test } from "node:test";
import { isSecretName, MASKED, maskedText, maskedValue } from "./secrets.ts";

test("names that speak of a secret are known, whatever they begin with; others are not", () => {
  for (const name of [
    ...["AWS_SECRET_ACCESS_KEY", "WANDB_API_KEY", "GITHUB_TOKEN", "PGPASSWORD", "db_password"],
    ...["SSH_AUTH_SOCK", "SENTRY_DSN", "MY_PASS", "KEY", "CONTRAIL_TOKEN", "OPENAI_APIKEY"],
  ])
    assert.ok(isSecretName(name), name);
  for (const name of [
    ...["PATH", "PWD", "OLDPWD", "PYTHONHASHSEED", "KEYBOARD", "HOME", "MONKEY", "LC_ALL"],
    ...["CUDA_VISIBLE_DEVICES", "PYTHONPATH", "XDG_SESSION_ID", "COMPASS"],
  ])
    assert.ok(!isSecretName(name), name);
});

test("a value keeps what is no secret", () => {
  assert.equal(maskedValue("API_KEY", "x"), MASKED);
  assert.equal(maskedValue("HOME", "/home/ada"), "/home/ada");
  assert.equal(
    maskedValue("DATABASE_URL", "postgres://ada:hunter2@db/x?y=1"),
    `postgres://${MASKED}@db/x?y=1`,
  );
  assert.equal(
    maskedText("pip install git+https://oauth2:abc@git.example.org/a git@example.org:b"),
    `pip install git+https://${MASKED}@git.example.org/a git@example.org:b`,
  );
  assert.equal(maskedText(`--token=ghp_${"a".repeat(36)} --lr 1`), `--token=${MASKED} --lr 1`);
  assert.equal(maskedText("sk-learn and a tasks-list"), "sk-learn and a tasks-list");
  assert.equal(maskedText("https://example.org/a@b"), "https://example.org/a@b");
});
