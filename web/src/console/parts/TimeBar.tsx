import { useElementSize } from "@mantine/hooks";
import { type KeyboardEvent, type RefObject, useEffect, useRef } from "react";
import { useTranslation } from "react-i18next";
import type { Recording } from "../../api/types";
import { moment, runningTime } from "../../lib/format";
import { clockText } from "../../lib/moment";
import { barKey, clamp, pan, type Span, ticks, type View, visible, xOf, zoom } from "../../lib/timebar";
import { useBarPointer } from "./barPointer";

export interface Run extends Span {
  run: number;
  held: boolean;
  live: boolean;
}

export interface Gap extends Span {
  cause: string;
}

export interface BarProps {
  view: View;
  limits: View;
  runs: Run[];
  gaps: Gap[];
  pins: Recording[];
  cursor: number | undefined;
  range: Span | null;
  now: number;
  onView(v: View): void;
  onCursor(at: number): void;
  onRange(r: Span | null): void;
}

/** A part of a stream's past: runs, what is missing and why, what is kept by name, the playhead, and a range to cut. */
export function TimeBar(p: BarProps) {
  const { t, i18n } = useTranslation();
  const { ref, width } = useElementSize<HTMLDivElement>();
  const box = useRef<HTMLDivElement>(null);
  const pointer = useBarPointer(p, box, width);
  useWheel(box, p);
  const x = (at: number) => `${clamp((xOf(p.view, at, 100) / 100) * 100, -1, 101).toFixed(3)}%`;
  const place = (s: Span) => ({
    left: x(Math.max(s.from, p.view.from)),
    right: `calc(100% - ${x(Math.min(s.to, p.view.to))})`,
  });
  const runs = visible(p.runs, p.view, width, (a, b) => a.run === b.run && a.held === b.held);
  const gaps = visible(p.gaps, p.view, width);
  const pins = p.pins
    .map((r) => ({ ...r, from: Date.parse(r.from), to: r.to ? Date.parse(r.to) : p.now }))
    .filter((r) => r.to > p.view.from && r.from < p.view.to);
  return (
    <div className="tb" ref={ref}>
      <div className="tb-in" ref={box} {...pointer}>
        <div className="tb-ticks num" aria-hidden="true">
          {ticks(p.view, width).map((k) => (
            <span key={k.at} style={{ left: x(k.at) }}>
              {k.seconds ? clockText(k.at) : clockText(k.at).slice(0, 5)}
            </span>
          ))}
        </div>
        <div className="tb-pins">
          {pins.map((r) => (
            <span
              key={r.id}
              className={`tb-pin ${r.kind}`}
              style={place(r)}
              title={t("named", {
                what: r.title || t(`recording.kind.${r.kind}`),
                now: moment(i18n.language, r.from),
              })}
            >
              {r.title || t(`recording.kind.${r.kind}`)}
            </span>
          ))}
        </div>
        <div className="tb-lane">
          {gaps.map((g) => (
            <i key={`g${g.from}`} className="tb-gap" style={place(g)} title={gapTitle(g)} />
          ))}
          {runs.map((r) => (
            <i key={`r${r.from}`} className={`tb-run ${r.held ? "held" : ""}`} style={place(r)} />
          ))}
          {p.now < p.view.to && (
            <i className="tb-future" style={place({ from: Math.max(p.now, p.view.from), to: p.view.to })} />
          )}
        </div>
        {p.range && p.range.to > p.view.from && p.range.from < p.view.to && (
          <Selection p={p} range={p.range} />
        )}
        {p.cursor !== undefined && <Cursor p={p} at={p.cursor} />}
      </div>
    </div>
  );

  function gapTitle(g: Gap): string {
    const cause = t(`cause.${g.cause || "unknown"}`, { defaultValue: g.cause });
    return `${clockText(g.from)}–${clockText(g.to)} (${runningTime((g.to - g.from) / 1000)}) ${cause}`;
  }
}

const left = (p: BarProps, at: number) => `${clamp(xOf(p.view, at, 100), 0, 100).toFixed(3)}%`;

/** The playhead. A slider for the keyboard; the letters do what an editor's letters do. */
function Cursor({ p, at }: { p: BarProps; at: number }) {
  const { t } = useTranslation();
  const inside = at >= p.view.from && at <= p.view.to;
  const onKey = (e: KeyboardEvent) => {
    if (e.ctrlKey || e.metaKey || e.altKey) return;
    const limits = { from: p.limits.from, to: Math.min(p.limits.to, p.now) };
    const next = barKey(e.key, e.shiftKey, { view: p.view, limits, cursor: at, range: p.range });
    if (!next) return;
    e.preventDefault();
    if (next.view) p.onView(next.view);
    if (next.range !== undefined) p.onRange(next.range);
    if (next.cursor !== undefined) p.onCursor(next.cursor);
  };
  return (
    <div
      className={`tb-cursor ${inside ? "" : "out"}`}
      style={{ left: left(p, at) }}
      role="slider"
      tabIndex={0}
      aria-label={t("timeline.cursor")}
      aria-keyshortcuts="i o + -"
      aria-valuemin={Math.round(p.limits.from / 1000)}
      aria-valuemax={Math.round(p.limits.to / 1000)}
      aria-valuenow={Math.round(at / 1000)}
      aria-valuetext={clockText(at)}
      onKeyDown={onKey}
    >
      <span className="num">{clockText(at)}</span>
    </div>
  );
}

function Selection({ p, range }: { p: BarProps; range: Span }) {
  const { t } = useTranslation();
  const handle = (end: "from" | "to") => {
    const onKey = (e: KeyboardEvent) => {
      const by = { ArrowLeft: -1000, ArrowRight: 1000, PageDown: -60_000, PageUp: 60_000 }[e.key];
      if (e.key === "Escape") p.onRange(null);
      if (by === undefined) return;
      e.preventDefault();
      const to = range[end] + by * (e.shiftKey ? 10 : 1);
      const next = { ...range, [end]: clamp(to, p.limits.from, p.limits.to) };
      if (next.to - next.from >= 1000) p.onRange(next);
    };
    return (
      <div
        className={`tb-handle ${end}`}
        data-handle={end}
        role="slider"
        tabIndex={0}
        aria-label={t(end === "from" ? "timeline.clipFrom" : "timeline.clipTo")}
        aria-valuemin={Math.round(p.limits.from / 1000)}
        aria-valuemax={Math.round(p.limits.to / 1000)}
        aria-valuenow={Math.round(range[end] / 1000)}
        aria-valuetext={clockText(range[end])}
        onKeyDown={onKey}
      />
    );
  };
  return (
    <div
      className="tb-range"
      style={{ left: left(p, range.from), right: `calc(100% - ${left(p, range.to)})` }}
    >
      {range.from >= p.view.from && handle("from")}
      {range.to <= p.view.to && handle("to")}
    </div>
  );
}

/** Ctrl and the wheel (or a pinch on a touch pad) zoom, sideways pans; the plain wheel stays the page's. */
function useWheel(box: RefObject<HTMLElement | null>, p: BarProps) {
  const latest = useRef(p);
  latest.current = p;
  useEffect(() => {
    const node = box.current;
    const onWheel = (e: WheelEvent) => {
      const { view, limits, onView } = latest.current;
      const rect = node?.getBoundingClientRect();
      if (!rect) return;
      const length = view.to - view.from;
      const sideways = e.shiftKey ? e.deltaY || e.deltaX : e.deltaX;
      if (e.ctrlKey || e.metaKey) {
        const anchor = view.from + ((e.clientX - rect.left) / rect.width) * length;
        onView(zoom(view, Math.exp(clamp(e.deltaY, -60, 60) / 100), anchor, limits));
      } else if (Math.abs(sideways) > Math.abs(e.shiftKey ? 0 : e.deltaY)) {
        onView(pan(view, (sideways / rect.width) * length, limits));
      } else return;
      e.preventDefault();
    };
    node?.addEventListener("wheel", onWheel, { passive: false });
    return () => node?.removeEventListener("wheel", onWheel);
  }, [box]);
}
