/** The version of package.json and pyproject.toml; a test holds the three to each other. */
export const VERSION = "0.1.0";
/** How this side introduces itself to the runner. */
export const SDK_NAME = `typescript/${VERSION}`;
