/** The way from a page to a notebook, which has an origin of its own. */
import { client } from "../live/client.ts";

/**
 * Call it within the click itself: later, browsers take the window for something that the page opens by itself.
 * @throws RemoteError, as the server refuses it; the window is closed then
 */
export async function openTaskWindow(id: number): Promise<void> {
  // The link is asked for when the window is there.
  const tab = window.open("", "_blank");
  try {
    const { url } = await client.openTask(id);
    if (tab === null) return window.location.assign(url);
    tab.opener = null;
    tab.location.replace(url);
  } catch (error) {
    tab?.close();
    throw error;
  }
}
