/**
 * A canvas of one's own, for the pictures that no chart library has. A chart describes a scene for the size at hand:
 * how it is drawn, and what lies under a point. The picture is drawn once a change; hovering draws on a
 * second canvas above it, so that pointing at one of a thousand things costs that one thing. SVG was refused: a
 * thousand trials over eight axes are eight thousand elements that the browser lays out again at each hover.
 */
import { useComputedColorScheme } from "@mantine/core";
import { type PointerEvent, useEffect, useMemo, useRef, useState } from "react";
import { type ChartColours, chartColours } from "./palette.ts";

export interface Place {
  readonly width: number;
  readonly height: number;
  readonly colours: ChartColours;
  readonly scheme: "light" | "dark";
}

export interface Hit {
  readonly key: string;
  /** One line or several. */
  readonly text: string;
  /** Makes it stand out, on the canvas above. */
  readonly mark?: (pen: CanvasRenderingContext2D) => void;
}

export interface Scene {
  readonly draw: (pen: CanvasRenderingContext2D) => void;
  readonly at?: (x: number, y: number) => Hit | undefined;
  /** Pointed out from elsewhere, by its key. */
  readonly markOf?: (key: string) => ((pen: CanvasRenderingContext2D) => void) | undefined;
  /** What a drag takes in, while it goes on. */
  readonly dragOf?: (from: Point, to: Point) => (pen: CanvasRenderingContext2D) => void;
}

/** In pixels, from the upper left corner. */
type Point = readonly [x: number, y: number];

export interface DrawingProps {
  readonly label: string;
  readonly heightPx: number;
  /** Kept by the caller between renders (useCallback): another one is another picture. */
  readonly scene: (place: Place) => Scene;
  readonly onPick?: ((key: string | undefined) => void) | undefined;
  /** From where to where, in pixels, while and when the pointer is dragged. */
  readonly onDrag?:
    | ((from: readonly [number, number], to: readonly [number, number], isOver: boolean) => void)
    | undefined;
  readonly focus?: string | undefined;
  readonly onFocus?: ((key: string | undefined) => void) | undefined;
}

export const FONT = "11px system-ui, sans-serif";
const DRAG_PX_MIN = 4;

export function Drawing(props: DrawingProps) {
  const { label, heightPx, scene: sceneFor, onPick, onDrag, onFocus, focus } = props;
  const scheme = useComputedColorScheme("light");
  const host = useRef<HTMLDivElement>(null);
  const below = useRef<HTMLCanvasElement>(null);
  const above = useRef<HTMLCanvasElement>(null);
  const box = useRef<HTMLDivElement>(null);
  const held = useRef<readonly [number, number] | undefined>(undefined);
  const hovered = useRef<string | undefined>(undefined);
  const [width, setWidth] = useState(0);
  useEffect(() => {
    const element = host.current;
    if (!element) return;
    const measure = (): void => setWidth(element.clientWidth);
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  const scene = useMemo(
    () =>
      width > 0
        ? sceneFor({ width, height: heightPx, colours: chartColours(scheme), scheme })
        : undefined,
    [sceneFor, width, heightPx, scheme],
  );
  useEffect(() => {
    const pen = penOf(below.current, width, heightPx);
    if (pen && scene) scene.draw(pen);
    penOf(above.current, width, heightPx);
    hide(box.current);
    hovered.current = undefined;
  }, [scene, width, heightPx]);
  useEffect(() => {
    if (focus === hovered.current) return;
    const pen = penOf(above.current, width, heightPx);
    hide(box.current);
    if (pen && focus !== undefined) scene?.markOf?.(focus)?.(pen);
  }, [focus, scene, width, heightPx]);

  const pointed = (event: PointerEvent): readonly [number, number] => {
    const edge = event.currentTarget.getBoundingClientRect();
    return [event.clientX - edge.left, event.clientY - edge.top];
  };
  const move = (event: PointerEvent): void => {
    const [x, y] = pointed(event);
    if (held.current && onDrag) {
      onDrag(held.current, [x, y], false);
      if (!scene?.dragOf || !isDrag(held.current, [x, y])) return;
      hide(box.current);
      const pen = penOf(above.current, width, heightPx);
      if (pen) scene.dragOf(held.current, [x, y])(pen);
      return;
    }
    const hit = scene?.at?.(x, y);
    if (hit?.key !== hovered.current) {
      const pen = penOf(above.current, width, heightPx);
      if (pen) hit?.mark?.(pen);
      hovered.current = hit?.key;
      onFocus?.(hit?.key);
      if (host.current) host.current.style.cursor = hit && onPick ? "pointer" : "";
    }
    showBox(box.current, hit, { x, y, width });
  };
  return (
    <div
      ref={host}
      className="drawing"
      style={{ height: `${heightPx}px` }}
      onPointerDown={(event) => {
        if (!onDrag || event.button !== 0) return;
        held.current = pointed(event);
        event.currentTarget.setPointerCapture(event.pointerId);
      }}
      onPointerMove={move}
      onPointerUp={(event) => {
        const [x, y] = pointed(event);
        const from = held.current;
        held.current = undefined;
        if (from && isDrag(from, [x, y])) {
          penOf(above.current, width, heightPx);
          hovered.current = undefined;
          onDrag?.(from, [x, y], true);
        } else if (from && onDrag && !onPick) onDrag(from, from, true);
        else onPick?.(scene?.at?.(x, y)?.key);
      }}
      onPointerLeave={() => {
        penOf(above.current, width, heightPx);
        hide(box.current);
        if (hovered.current !== undefined) onFocus?.(undefined);
        hovered.current = undefined;
      }}
    >
      <canvas ref={below} role="img" aria-label={label} />
      <div aria-hidden="true">
        <canvas ref={above} />
      </div>
      <div ref={box} className="chart-hover" hidden />
    </div>
  );
}

const isDrag = (from: Point, to: Point): boolean =>
  Math.hypot(to[0] - from[0], to[1] - from[1]) >= DRAG_PX_MIN;

/** Ready to draw in pixels of the page, empty. */
function penOf(
  canvas: HTMLCanvasElement | null,
  width: number,
  height: number,
): CanvasRenderingContext2D | undefined {
  const pen = canvas?.getContext("2d");
  if (!canvas || !pen || width === 0) return undefined;
  const ratio = window.devicePixelRatio || 1;
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== w || canvas.height !== h) {
    canvas.width = w;
    canvas.height = h;
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
  }
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  pen.font = FONT;
  pen.textBaseline = "middle";
  return pen;
}

function hide(box: HTMLDivElement | null): void {
  if (box) box.hidden = true;
}

function showBox(
  box: HTMLDivElement | null,
  hit: Hit | undefined,
  { x, y, width }: { readonly x: number; readonly y: number; readonly width: number },
): void {
  if (!box) return;
  box.hidden = !hit;
  if (!hit) return;
  box.textContent = hit.text;
  // Beside the pointer, on the side that has more room; within the chart on a small screen too.
  const left = x > width / 2 ? x - 14 - box.offsetWidth : x + 14;
  box.style.left = `${Math.max(0, Math.min(left, width - box.offsetWidth))}px`;
  box.style.top = `${Math.max(0, y - 12)}px`;
}

/** As much of `text` as fits, with … where it was cut. */
export function fitted(pen: CanvasRenderingContext2D, text: string, widthPx: number): string {
  if (pen.measureText(text).width <= widthPx) return text;
  let [low, high] = [0, text.length];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (pen.measureText(`${text.slice(0, middle)}…`).width <= widthPx) low = middle;
    else high = middle - 1;
  }
  return low === 0 ? "" : `${text.slice(0, low)}…`;
}
