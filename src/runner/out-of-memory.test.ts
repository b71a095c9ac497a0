import assert from "node:assert/strict";
import { test } from "node:test";
import { OomWatch, saidOutOfMemory } from "./out-of-memory.ts";

const words: readonly (readonly [string, string | null])[] = [
  ["Traceback (most recent call last):\n  File x\nMemoryError\n", "Python"],
  ["numpy._core._exceptions._ArrayMemoryError: Unable to allocate 7.28 TiB", "Python"],
  ["torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB", "CUDA"],
  ["RuntimeError: CUDA error: out of memory", "CUDA"],
  ["jaxlib.xla_extension.XlaRuntimeError: RESOURCE_EXHAUSTED: Out of memory while trying", "XLA"],
  ["FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory", "Node"],
  ["terminate called after throwing an instance of 'std::bad_alloc'", "C++"],
  ["OSError: [Errno 12] Cannot allocate memory", "the allocator"],
  ["ValueError: the MemoryError of last week is not this one", null],
  ["Killed\n", null],
  ["", null],
];
for (const [text, who] of words)
  test(`last words ${JSON.stringify(text.slice(0, 50))} mean ${who ?? "nothing about memory"}`, () => {
    const said = saidOutOfMemory(text);
    if (who === null) assert.equal(said, null);
    else assert.ok(said?.startsWith(who) || said?.includes(who), String(said));
  });

test("each kill that the kernel counted explains one death, and none of something younger", () => {
  let count: number | null = 4;
  const watch = new OomWatch(() => count);
  const atStart = watch.count();
  assert.equal(watch.explains(atStart), null, "nothing was killed since");
  count = 6;
  assert.match(watch.explains(atStart) ?? "", /OOM killer/);
  assert.match(watch.explains(atStart) ?? "", /OOM killer/);
  assert.equal(watch.explains(atStart), null);
  count = 8;
  const later = watch.count();
  assert.equal(watch.explains(later), null, "those two were before it");
  count = null;
  assert.equal(watch.explains(later), null, "a kernel that does not count proves nothing");
});
