/**
 * A file that is not what it looks like, or holds more than state: it is compared by its bytes, and this says why.
 * Whatever a hostile file can do ends here, as a sentence about the file.
 */
export class Unreadable extends Error {
  override name = "Unreadable";
}
