import { ActionIcon, Button, Card, Group, Text, Tooltip } from "@mantine/core";
import {
  type Icon,
  IconBroadcast,
  IconChevronLeft,
  IconChevronRight,
  IconPlayerTrackNext,
  IconZoomIn,
  IconZoomOut,
} from "@tabler/icons-react";
import {
  type Dispatch,
  type RefObject,
  type SetStateAction,
  useEffect,
  useMemo,
  useRef,
  useState,
} from "react";
import { useTranslation } from "react-i18next";
import { Redirect, useLocation } from "wouter";
import { timelinePath } from "../../api/client";
import { useStream, useTimeline, useTimelines } from "../../api/hooks";
import type { Recording } from "../../api/types";
import { moment, runningTime } from "../../lib/format";
import { clockText, parseMoment, writeMoment } from "../../lib/moment";
import { useTitle } from "../../lib/page";
import { dayOf, fitDay, hour, minute, type Span, type View, within, zoom } from "../../lib/timebar";
import type { WeirPlayer } from "../../player/element";
import { Calendar } from "../parts/Calendar";
import { ClipCard } from "../parts/ClipCard";
import { Curl } from "../parts/Curl";
import { PastPlayer } from "../parts/Player";
import { RecordButton } from "../parts/RecordButton";
import { RecordingMenu } from "../parts/RecordingMenu";
import { ReplayCard } from "../parts/ReplayCard";
import { Section } from "../parts/Section";
import { useNow } from "../parts/StatePill";
import { HeadLink, StreamHead } from "../parts/StreamHead";
import { type Gap, type Run, TimeBar } from "../parts/TimeBar";
import { readTimelinePath, streamPage } from "../paths";

export default function TimelineRoute() {
  useLocation(); // renders again when the address changes
  const name = readTimelinePath(location.pathname);
  return name ? <TimelinePage key={name} name={name} /> : <Redirect to="/timelines" replace />;
}

/** The address says what is seen, so that it can be sent to somebody. */
function firstView(now: number): { view: View; cursor: number | undefined } {
  const q = new URLSearchParams(location.search);
  const [from, to] = [parseMoment(q.get("from"), now), parseMoment(q.get("to"), now)];
  if (from === undefined) return { view: dayOf(now), cursor: undefined };
  if (to !== undefined && to - from > minute) return { view: { from, to }, cursor: from };
  return { view: within({ from: from - 10 * minute, to: from + 50 * minute }, dayOf(from)), cursor: from };
}

function TimelinePage({ name }: { name: string }) {
  const { t, i18n } = useTranslation();
  const now = useNow(true);
  const first = useMemo(() => firstView(Date.now()), []);
  const [view, setView] = useState(first.view);
  const [cursor, setCursor] = useState(first.cursor);
  const [range, setRange] = useState<Span | null>(null);
  const player = useRef<WeirPlayer>(null);
  const stream = useStream(name, 3000).data;
  const whole = useTimelines().data?.find((x) => x.name === name);
  const day = dayOf((view.from + view.to) / 2);
  const data = useTimeline(name, dayOf(view.from).from, dayOf(view.to - 1).to).data;
  const { runs, gaps, pins } = useParts(data);
  useFit(runs, first.view, setView);
  const limits = {
    from: dayOf(Math.min(whole?.from ? Date.parse(whole.from) : day.from, day.from)).from,
    to: dayOf(now).to,
  };
  useTitle(`${t("timeline.title")} · ${name}`);
  useAddress(view);
  useFollow(player, setCursor);
  const play = (at: number) => {
    setCursor(at);
    player.current?.seekWall(at);
  };
  const stop = useStopAt(player);
  const mark = () => {
    const at = cursor ?? (view.from + view.to) / 2;
    const around = (by: number, bounds: View) => within({ from: at - by, to: at + by }, bounds);
    setRange(around(Math.min(30_000, (view.to - view.from) / 6), { from: limits.from, to: now }));
    if (view.to - view.from > 2 * hour) setView(around(10 * minute, limits));
  };
  return (
    <div className="timelinepage">
      <StreamHead name={name} stream={stream} room={{ to: "/timelines", text: t("timeline.list") }}>
        <Curl path={`${timelinePath(name)}?from=${writeMoment(day.from)}&to=${writeMoment(day.to)}`} />
        <HeadLink to={streamPage(name)} icon={IconBroadcast} text={t("nav.live")} />
        <RecordButton name={name} possible={stream?.state === "live"} />
      </StreamHead>
      <div className="timelinegrid">
        <section className="main-col" aria-label={t("stream.preview")}>
          <DayPlayer {...{ name, day, now, runs, player }} start={first.cursor} ready={data !== undefined} />
        </section>
        <aside className="side-col">
          <ClipCard
            name={name}
            range={range}
            rate={rateOf(data?.spans ?? [])}
            onRange={setRange}
            onMark={mark}
            onPreview={(r) => {
              play(r.from);
              stop(r.to);
            }}
          />
        </aside>
        <section className="bar-col" aria-label={t("timeline.title")}>
          <Card p="sm">
            <Ways {...{ name, view, limits, day, now, cursor }} onView={setView} />
            <TimeBar
              {...{ view, limits, cursor, range, now, runs, gaps, pins }}
              onView={setView}
              onCursor={play}
              onRange={setRange}
            />
            <Legend lang={i18n.language} held={runs.some((r) => r.held)} />
          </Card>
        </section>
        <div className="tb-lists">
          <ReplayCard of={name} />
          <Lists gaps={gaps.filter((g) => g.to > view.from && g.from < view.to)} pins={pins} onGo={play} />
        </div>
      </div>
    </div>
  );
}

function useParts(data: ReturnType<typeof useTimeline>["data"]): {
  runs: Run[];
  gaps: Gap[];
  pins: Recording[];
} {
  return useMemo(
    () => ({
      runs: (data?.spans ?? []).map((s) => ({ ...s, from: Date.parse(s.from), to: Date.parse(s.to) })),
      gaps: (data?.gaps ?? []).map((g) => ({ ...g, from: Date.parse(g.from), to: Date.parse(g.to) })),
      pins: data?.pins ?? [],
    }),
    [data],
  );
}

/** Bytes a second over all that is seen. */
function rateOf(spans: { from: string; to: string; bytes: number }[]): number {
  const bytes = spans.reduce((n, s) => n + s.bytes, 0);
  const seconds = spans.reduce((n, s) => n + (Date.parse(s.to) - Date.parse(s.from)) / 1000, 0);
  return seconds > 0 ? bytes / seconds : 0;
}

function useAddress(view: View) {
  useEffect(() => {
    const timer = setTimeout(() => {
      const q = `?from=${writeMoment(view.from)}&to=${writeMoment(view.to)}`;
      history.replaceState(history.state, "", location.pathname + q);
    }, 400);
    return () => clearTimeout(timer);
  }, [view]);
}

/** A day with little footage begins where that is; the address or the first look of the viewer goes before. */
function useFit(runs: Run[], first: View, set: Dispatch<SetStateAction<View>>) {
  const fitted = useRef(location.search !== "");
  useEffect(() => {
    if (fitted.current || runs.length === 0) return;
    fitted.current = true;
    set((v) => (v === first ? fitDay(runs, v) : v));
  }, [runs, first, set]);
}

/** The playhead follows what is on screen. */
function useFollow(player: RefObject<WeirPlayer | null>, set: (at: number) => void) {
  useEffect(() => {
    const timer = setInterval(() => {
      const at = player.current?.wall;
      if (at !== undefined && player.current?.view?.past) set(at);
    }, 500);
    return () => clearInterval(timer);
  }, [player, set]);
}

/** Pauses where a preview ends. */
function useStopAt(player: RefObject<WeirPlayer | null>): (at: number) => void {
  const end = useRef(0);
  useEffect(() => {
    const timer = setInterval(() => {
      const node = player.current;
      if (!end.current || (node?.wall ?? 0) < end.current) return;
      end.current = 0;
      if (!node?.video.paused) node?.toggle();
    }, 200);
    return () => clearInterval(timer);
  }, [player]);
  return (at) => {
    end.current = at;
  };
}

interface DayPlayerProps {
  name: string;
  day: View;
  now: number;
  start: number | undefined;
  runs: Run[];
  player: RefObject<WeirPlayer | null>;
  ready: boolean;
}

/** Plays the day that is seen, from the asked moment or from its last minute. */
function DayPlayer({ name, day, now, start, runs, player, ready }: DayPlayerProps) {
  const { t } = useTranslation();
  const firstRun = runs.find((r) => r.to > day.from && r.from < day.to);
  const lastRun = runs.findLast((r) => r.from < day.to && r.to > day.from);
  if (!firstRun || !lastRun)
    return <div className="player none">{ready && <Text c="dimmed">{t("timeline.noneToday")}</Text>}</div>;
  const from = Math.max(day.from, firstRun.from);
  const inside = start !== undefined && start >= from && start < day.to;
  const at = inside ? start : Math.max(from, Math.min(lastRun.to, day.to, now) - minute);
  const today = day.to > now;
  return (
    <KeyedPlayer
      key={`${day.from}`}
      name={name}
      from={writeMoment(from)}
      to={today ? undefined : writeMoment(Math.min(day.to, lastRun.to))}
      at={writeMoment(at)}
      player={player}
    />
  );
}

type Keyed = { name: string; from: string; to?: string; at: string; player: RefObject<WeirPlayer | null> };

/** Keeps the addresses it began with: fresh data about the day must not begin its player anew. */
function KeyedPlayer(p: Keyed) {
  const [kept] = useState(p);
  return <PastPlayer {...kept} />;
}

interface WaysProps {
  name: string;
  view: View;
  limits: View;
  day: View;
  now: number;
  cursor: number | undefined;
  onView(v: View): void;
}

/** To another day, and closer or further. */
function Ways({ name, view, limits, day, now, cursor, onView }: WaysProps) {
  const { t } = useTranslation();
  const middle = (view.from + view.to) / 2;
  const anchor = cursor !== undefined && cursor > view.from && cursor < view.to ? cursor : middle;
  const toDay = (shift: number) => onView(dayOf(day.from, shift));
  const closer = (by: number) => onView(zoom(view, by, anchor, limits));
  return (
    <Group gap="xs" mb="xs">
      <Way text={t("timeline.dayBack")} icon={IconChevronLeft} onClick={() => toDay(-1)} />
      <Calendar name={name} at={day.from} onDay={(d) => onView(dayOf(d))} />
      <Way
        text={t("timeline.dayOn")}
        icon={IconChevronRight}
        disabled={day.to > now}
        onClick={() => toDay(1)}
      />
      <Group gap={4} ml="auto">
        <Way text={t("timeline.zoomOut")} icon={IconZoomOut} onClick={() => closer(2)} />
        <Way text={t("timeline.zoomIn")} icon={IconZoomIn} onClick={() => closer(0.5)} />
        <Button variant="default" onClick={() => onView(day)}>
          {t("timeline.wholeDay")}
        </Button>
      </Group>
    </Group>
  );
}

interface WayProps {
  text: string;
  icon: Icon;
  disabled?: boolean;
  onClick(): void;
}

function Way({ text, icon: Drawing, disabled, onClick }: WayProps) {
  return (
    <Tooltip label={text}>
      <ActionIcon variant="default" size={36} disabled={disabled} aria-label={text} onClick={onClick}>
        <Drawing size={18} />
      </ActionIcon>
    </Tooltip>
  );
}

function Legend({ lang, held }: { lang: string; held: boolean }) {
  const { t } = useTranslation();
  const zone = Intl.DateTimeFormat(lang).resolvedOptions().timeZone;
  return (
    <p className="tb-legend">
      <span>
        <i className="run" aria-hidden="true" /> {t("timeline.footage")}
      </span>
      <span>
        <i className="gap" aria-hidden="true" /> {t("timeline.gap")}
      </span>
      <span>
        <i className="pin" aria-hidden="true" /> {t("timeline.pin")}
      </span>
      {held && (
        <span>
          <i className="held" aria-hidden="true" /> {t("storage.held")}
        </span>
      )}
      <span className="zone">{t("timeline.zone", { zone })}</span>
    </p>
  );
}

/** The same as the bar shows, to read and to step through. */
function Lists({ gaps, pins, onGo }: { gaps: Gap[]; pins: Recording[]; onGo: (at: number) => void }) {
  const { t, i18n } = useTranslation();
  return (
    <>
      {pins.length > 0 && (
        <Section id="pins-title" title={t("timeline.pins")}>
          <ul className="plainlist num">
            {pins.map((r) => (
              <li key={r.id} className="pinrow">
                <button type="button" className="bare textbutton" onClick={() => onGo(Date.parse(r.from))}>
                  <strong>{r.title || t(`recording.kind.${r.kind}`)}</strong>
                  <span className="muted">
                    {moment(i18n.language, r.from)} · {runningTime(r.duration_s)}
                  </span>
                </button>
                <RecordingMenu recording={r} />
              </li>
            ))}
          </ul>
        </Section>
      )}
      {gaps.length > 0 && (
        <Section id="gaps-title" title={t("timeline.gaps")}>
          <ul className="plainlist num gaplist">
            {gaps.map((g) => (
              <li key={g.from}>
                <button type="button" className="bare textbutton" onClick={() => onGo(g.to)}>
                  <IconPlayerTrackNext size={16} stroke={1.7} aria-hidden />
                  <span>
                    {clockText(g.from)}–{clockText(g.to)} ({runningTime((g.to - g.from) / 1000)})
                  </span>
                  <span className="muted">
                    {t(`cause.${g.cause || "unknown"}`, { defaultValue: g.cause })}
                  </span>
                </button>
              </li>
            ))}
          </ul>
        </Section>
      )}
    </>
  );
}
