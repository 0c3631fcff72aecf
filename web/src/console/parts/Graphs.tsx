import "uplot/dist/uPlot.min.css";
import { Card } from "@mantine/core";
import type { TFunction } from "i18next";
import { useEffect, useMemo, useRef } from "react";
import { useTranslation } from "react-i18next";
import uPlot from "uplot";
import { streamPath } from "../../api/client";
import { useHistory } from "../../api/hooks";
import type { HistoryPoint, StreamEvent } from "../../api/types";
import { serverText } from "../../i18n/server";
import { bitrate, decimal, frameRate, moment } from "../../lib/format";
import { Curl } from "./Curl";

type Kind = "bitrate" | "fps" | "gop" | "av";
const kinds: Kind[] = ["bitrate", "fps", "gop", "av"];
const height = 92;

const pick: Record<Kind, (p: HistoryPoint) => number | null> = {
  bitrate: (p) => p.in_bps,
  fps: (p) => p.fps,
  gop: (p) => (p.gop_s > 0 ? p.gop_s : null),
  av: (p) => p.av_offset_ms,
};

/** Up to four graphs over one time axis: what the publisher sends, second by second. */
export function Graphs({ name }: { name: string }) {
  const { t } = useTranslation();
  const history = useHistory(name).data;
  const points = history?.points ?? [];
  // Sound alone has neither pictures nor key frames to draw.
  const shown = points.some((p) => p.fps > 0) ? kinds : kinds.slice(0, 1);
  return (
    <Card className="graphs">
      <header>
        <h2>{t("graph.title")}</h2>
        <Curl path={`${streamPath(name)}/history`} />
      </header>
      {points.length < 2 ? (
        <p className="muted">{t("graph.none")}</p>
      ) : (
        shown.map((kind, i) => <Graph key={kind} kind={kind} points={points} last={i === shown.length - 1} />)
      )}
      <EventLine events={history?.events ?? []} />
    </Card>
  );
}

function Graph({ kind, points, last }: { kind: Kind; points: HistoryPoint[]; last: boolean }) {
  const { t, i18n } = useTranslation();
  const lang = i18n.language;
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(undefined);
  const say = useMemo(() => unitOf(kind, lang, t), [kind, lang, t]);
  const data = useMemo<uPlot.AlignedData>(
    () => [points.map((p) => new Date(p.at).getTime() / 1000), points.map(pick[kind])],
    [points, kind],
  );
  const first = useRef(data);
  first.current = data;
  useEffect(() => {
    const node = box.current;
    if (!node) return;
    const make = () => {
      plot.current?.destroy();
      plot.current = new uPlot(options(kind, node.clientWidth, say, last, lang), first.current, node);
    };
    make();
    const size = new ResizeObserver(() =>
      plot.current?.setSize({ width: node.clientWidth, height: tall(last) }),
    );
    size.observe(node);
    // Canvas colours are fixed when drawn; a change of theme draws anew.
    const theme = new MutationObserver(make);
    theme.observe(document.documentElement, { attributeFilter: ["data-mantine-color-scheme"] });
    return () => {
      size.disconnect();
      theme.disconnect();
      plot.current?.destroy();
      plot.current = undefined;
    };
  }, [kind, say, last, lang]);
  useEffect(() => plot.current?.setData(data), [data]);
  const now = points.map(pick[kind]).findLast((v) => v !== null);
  return (
    <figure className="graph">
      <figcaption>
        <span>{t(`graph.${kind}`)}</span>
        <span className="num">{now === null || now === undefined ? "–" : say(now)}</span>
      </figcaption>
      <div
        ref={box}
        role="img"
        aria-label={t("named", { what: t(`graph.${kind}`), now: now == null ? "–" : say(now) })}
      />
    </figure>
  );
}

const tall = (last: boolean) => height + (last ? 24 : 0);

function unitOf(kind: Kind, lang: string, t: TFunction): (v: number) => string {
  switch (kind) {
    case "bitrate":
      return (v) => bitrate(lang, v);
    case "fps":
      return (v) => t("track.fps", { n: frameRate(lang, v) });
    case "gop":
      return (v) => t("unit.s", { n: decimal(lang, v) });
    default:
      return (v) => t("unit.ms", { n: decimal(lang, v, 0) });
  }
}

function options(
  kind: Kind,
  width: number,
  say: (v: number) => string,
  last: boolean,
  lang: string,
): uPlot.Options {
  // With seconds: in five minutes several marks fall into one minute.
  const clock = new Intl.DateTimeFormat(lang, { timeStyle: "medium", hourCycle: "h23" });
  const at = kinds.indexOf(kind);
  const line = paint(`--weir-series-${at + 1}`);
  const muted = paint("--weir-muted");
  const grid = paint("--weir-border");
  const font = `12px ${getComputedStyle(document.body).fontFamily}`;
  // Each line its own pattern too, so that colour is never the only mark.
  const dash = [[], [6, 3], [2, 3], [8, 3, 2, 3]][at] ?? [];
  return {
    width,
    height: tall(last),
    legend: { show: false },
    padding: [8, 32, last ? 0 : 8, 0], // room for half of the last mark's text
    cursor: { sync: { key: "stream", setSeries: false }, y: false, points: { size: 6 } },
    scales: { x: { time: true }, y: { range: (_u, min, max) => range(kind, min, max) } },
    axes: [
      {
        show: last,
        stroke: muted,
        font,
        size: 24,
        space: 80,
        grid: { show: false },
        ticks: { show: false },
        values: (_u, splits) => splits.map((s) => clock.format(s * 1000)),
      },
      {
        stroke: muted,
        font,
        size: 84,
        gap: 6,
        space: 30,
        grid: { stroke: grid, width: 1 },
        ticks: { show: false },
        values: (_u, splits) => splits.map(say),
      },
    ],
    series: [
      {},
      kind === "gop"
        ? {
            stroke: line,
            width: 2,
            paths: () => null,
            points: { show: true, size: 5, fill: line },
            spanGaps: true,
          }
        : { stroke: line, width: 2, dash, points: { show: false } },
    ],
  };
}

function range(kind: Kind, min: number | null, max: number | null): [number, number] {
  const lo = min ?? 0;
  const hi = max ?? 1;
  if (kind === "av") {
    const span = Math.max(50, Math.abs(lo), Math.abs(hi)) * 1.15;
    return [-span, span];
  }
  return [0, Math.max(hi * 1.2, kind === "gop" ? 3 : 1)];
}

/** A token's colour as the canvas understands it. */
function paint(token: string): string {
  const probe = document.createElement("span");
  probe.style.color = `var(${token})`;
  document.body.append(probe);
  const color = getComputedStyle(probe).color;
  probe.remove();
  return color;
}

function EventLine({ events }: { events: StreamEvent[] }) {
  const { t, i18n } = useTranslation();
  const lang = i18n.language;
  if (events.length === 0) return null;
  return (
    <section aria-label={t("events.title")}>
      <h3 className="events-title">{t("events.title")}</h3>
      <ol className="events num">
        {events
          .slice(-8)
          .toReversed()
          .map((e) => (
            <li key={`${e.at} ${e.code}`}>
              <time dateTime={e.at} className="muted">
                {moment(lang, e.at)}
              </time>
              <span>{eventText(lang, e, t)}</span>
            </li>
          ))}
      </ol>
    </section>
  );
}

function eventText(lang: string, e: StreamEvent, t: TFunction): string {
  const own = t(`event.${e.code}`, { ...e.values, defaultValue: "" });
  return own || serverText(lang, e.code, { message: e.code.replaceAll("_", " ") }, e.values).message;
}
