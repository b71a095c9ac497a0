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
    ...["TOKENIZERS_PARALLELISM"],
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

test("what several secrets look like at once, and where they end", () => {
  const webToken = `eyJ${"a".repeat(20)}.${"b".repeat(20)}.${"c".repeat(9)}`;
  assert.equal(maskedText(`x ${webToken}, x-${webToken}`), `x ${MASKED}, x-${MASKED}`);
  assert.equal(maskedText("eyJ0123456789.0123456789"), "eyJ0123456789.0123456789");
  assert.equal(
    maskedText("A=1 HF_TOKEN=x DB_PASSWORD='a b' python3 -c 'tokenizer=1' --env=API_KEY=\"y z\""),
    `A=1 HF_TOKEN=${MASKED} DB_PASSWORD=${MASKED} python3 -c 'tokenizer=1' --env=API_KEY=${MASKED}`,
  );
  const key = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4\nMIIE\n-----END RSA PRIVATE KEY-----";
  assert.equal(maskedText(`a\n${key}\nb ${key}`), `a\n${MASKED}\nb ${MASKED}`);
  assert.equal(maskedText(`1://a:p@ss@host x${"y".repeat(90)}://a@b`).includes("ss@"), false);
});

test("time is in proportion to the text, whatever it consists of", () => {
  const units = [
    ...["a", "deadbeef", "://", "a://", "a://b:c", "a://@", "://a@", "0123456789.", "-", "@", "A "],
    ...["eyJ", "-eyJ", "-eyJ0123456789", "eyJ0123456789.", "x-eyJ0123456789.0123456789.", "sk-"],
    ...[
      "cu_a.",
      "hf_",
      "_KEY",
      'KEY="',
      "KEY='x\"",
      "-----BEGIN ",
      "-----BEGIN A PRIVATE KEY-----a-",
      "a-",
    ],
  ];
  for (const unit of units)
    for (const before of ["", "a://", "-----BEGIN PRIVATE KEY-----"]) {
      const text = before + unit.repeat(Math.ceil(200_000 / unit.length));
      // Work of this thread and no time: what a machine does beside it does not count.
      const begin = process.threadCpuUsage();
      maskedValue("NAME", text);
      const { user } = process.threadCpuUsage(begin);
      // Some milliseconds. Where each letter is looked at once for each before it, more than half a minute.
      assert.ok(user < 5_000_000, `${before}${unit}… took ${user} µs of work`);
    }
});
