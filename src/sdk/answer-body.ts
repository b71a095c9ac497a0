/** The bytes of an answer, whose connection can end in the middle of them. */

/** The same bytes as they are asked for; what reading them fails with goes through `failure` first. */
export function withFailure(
  body: ReadableStream<Uint8Array>,
  failure: (error: unknown) => unknown,
): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await reader.read().catch((error: unknown) => {
          throw failure(error);
        });
        if (done) controller.close();
        else controller.enqueue(value);
      },
      cancel: (reason) => reader.cancel(reason),
    },
    // Nothing is read ahead: whoever takes the bytes sets the pace, as before.
    { highWaterMark: 0 },
  );
}
