/**
 * What a page does on its canvases, seen from inside: put into it before its own scripts (`page.addInitScript`). Strokes
 * are counted and the moment is noted at which what they drew is on the screen; so the page itself needs no hooks for it.
 */
import type { Page } from "playwright-core";

export interface Drawn {
  /** Calls of `stroke`, and of `lineTo` where those were asked for. */
  readonly strokes: number;
  readonly points: number;
  /** Milliseconds from the beginning of the navigation to the moment at which the last big picture was seen. */
  readonly shownMs: number;
  /** From each click to the picture that it caused. */
  readonly redrawnMs: readonly number[];
  /** From each movement of the pointer to the frame that answers it. */
  readonly hoveredMs: readonly number[];
}

/** @param options.strokesMin a picture counts as big from so many strokes in one go */
export async function watchDrawing(
  page: Page,
  options: { readonly strokesMin: number; readonly countPoints?: boolean },
): Promise<void> {
  const { strokesMin, countPoints = false } = options;
  const content = `(() => {
    const seen = { strokes: 0, points: 0, shownMs: 0, redrawnMs: [], hoveredMs: [] };
    globalThis.drawn = seen;
    const pen = CanvasRenderingContext2D.prototype;
    const { stroke, lineTo } = pen;
    const painted = (then) => requestAnimationFrame(() => {
      const channel = new MessageChannel();
      channel.port1.onmessage = then;
      channel.port2.postMessage(0);
    });
    let clickedMs, inOneGo = 0, last;
    const big = () => {
      // What was recorded for the canvas is carried out by the time it is read from.
      last.getImageData(0, 0, 1, 1);
      seen.shownMs = performance.now();
      if (clickedMs !== undefined) seen.redrawnMs.push(seen.shownMs - clickedMs);
      clickedMs = undefined;
    };
    pen.stroke = function (...path) {
      seen.strokes++;
      if (inOneGo === 0) queueMicrotask(() => {
        if (inOneGo >= ${strokesMin}) painted(big);
        inOneGo = 0;
      });
      inOneGo++;
      last = this;
      return stroke.apply(this, path);
    };
    if (${countPoints}) pen.lineTo = function (x, y) {
      seen.points++;
      return lineTo.call(this, x, y);
    };
    addEventListener("click", ({ timeStamp }) => { clickedMs = timeStamp; }, true);
    addEventListener("pointermove", ({ timeStamp }) =>
      painted(() => seen.hoveredMs.push(performance.now() - timeStamp)), true);
  })()`;
  await page.addInitScript({ content });
}

export const drawnOn = (page: Page): Promise<Drawn> => page.evaluate("globalThis.drawn");
