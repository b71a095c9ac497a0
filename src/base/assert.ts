/** A programmer's mistake: stops the unit at hand and is never shown as the user's fault. */
export class AssertionFailed extends Error {
  override name = "AssertionFailed";
}

/** States a fact that the code relies on. @throws AssertionFailed when it does not hold */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new AssertionFailed(message);
}

/** Marks a branch that the types rule out. @throws AssertionFailed always */
export function unreachable(value: never, what: string): never {
  throw new AssertionFailed(`${what}: unexpected ${JSON.stringify(value)}`);
}
