import { type PointerEvent, type RefObject, useRef } from "react";
import { clamp, dragRange, type Handle, pan, type Span, tOf, type View, zoom } from "../../lib/timebar";
import type { BarProps } from "./TimeBar";

/**
 * What fingers and mice mean on a time bar. A press without a way goes to that moment. A mouse that is dragged marks a
 * range; a finger pans, two zoom; a range's handles are moved by both.
 */

type Doing =
  | { what: "press"; x: number; at: number }
  | { what: "range"; handle: Handle; x: number; began: Span }
  | { what: "pan"; x: number; view: View }
  | { what: "pinch"; apart: number; middle: number; view: View };

/** Less of a way is the trembling of a hand. */
const threshold = 5;

export function useBarPointer(p: BarProps, box: RefObject<HTMLElement | null>, width: number) {
  const doing = useRef<Doing>(undefined);
  const fingers = useRef(new Map<number, number>());
  const xOfEvent = (e: PointerEvent) => e.clientX - (box.current?.getBoundingClientRect().left ?? 0);
  const perPixel = (v: View) => (v.to - v.from) / Math.max(1, width);

  const down = (e: PointerEvent<HTMLElement>) => {
    if (e.button !== 0) return;
    const x = xOfEvent(e);
    e.currentTarget.setPointerCapture?.(e.pointerId);
    fingers.current.set(e.pointerId, x);
    const [a, b] = [...fingers.current.values()];
    if (a !== undefined && b !== undefined) {
      doing.current = {
        what: "pinch",
        apart: Math.max(10, Math.abs(a - b)),
        middle: (a + b) / 2,
        view: p.view,
      };
      return;
    }
    const handle = (e.target as HTMLElement).dataset.handle as Handle | undefined;
    if (handle && p.range) doing.current = { what: "range", handle, x, began: p.range };
    else doing.current = { what: "press", x, at: tOf(p.view, x, width) };
  };

  const move = (e: PointerEvent<HTMLElement>) => {
    const d = doing.current;
    if (!d) return;
    const x = xOfEvent(e);
    fingers.current.set(e.pointerId, x);
    if (d.what === "press") {
      if (Math.abs(x - d.x) < threshold) return;
      doing.current =
        e.pointerType === "touch"
          ? { what: "pan", x: d.x, view: p.view }
          : { what: "range", handle: "new", x: d.x, began: { from: d.at, to: d.at } };
    } else if (d.what === "range") {
      const limits = { from: p.limits.from, to: Math.min(p.limits.to, p.now) };
      p.onRange(dragRange(d.handle, d.began, (x - d.x) * perPixel(p.view), limits));
    } else if (d.what === "pan") p.onView(pan(d.view, (d.x - x) * perPixel(d.view), p.limits));
    else pinch(d);
  };

  const pinch = (d: Extract<Doing, { what: "pinch" }>) => {
    const [a, b] = [...fingers.current.values()];
    if (a === undefined || b === undefined) return;
    const anchor = tOf(d.view, d.middle, width);
    const zoomed = zoom(d.view, d.apart / Math.max(10, Math.abs(a - b)), anchor, p.limits);
    p.onView(pan(zoomed, (d.middle - (a + b) / 2) * perPixel(zoomed), p.limits));
  };

  const up = (e: PointerEvent<HTMLElement>) => {
    const d = doing.current;
    fingers.current.delete(e.pointerId);
    doing.current = undefined;
    if (d?.what === "press") p.onCursor(clamp(d.at, p.limits.from, Math.min(p.limits.to, p.now)));
    // What is too short to be meant was a click with a slip.
    if (d?.what === "range" && p.range && p.range.to - p.range.from < 1000) p.onRange(null);
  };

  const cancel = (e: PointerEvent<HTMLElement>) => {
    fingers.current.delete(e.pointerId);
    doing.current = undefined;
  };

  return { onPointerDown: down, onPointerMove: move, onPointerUp: up, onPointerCancel: cancel };
}
