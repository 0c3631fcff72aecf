import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { ServerEvent } from "../src/api/types";
import { readTimelinePath, timelinePage } from "../src/console/paths";
import { type Alarm, heard } from "../src/lib/alarms";
import { amount, forecast, keepKind, longestKeep } from "../src/lib/forecast";
import { spanText, untilOf } from "../src/lib/keep";
import {
  clockText,
  clockWithin,
  localValue,
  parseMoment,
  readLocal,
  titleOf,
  writeMoment,
} from "../src/lib/moment";
import {
  barKey,
  dayOf,
  dragRange,
  fitDay,
  holes,
  hour,
  keyStep,
  minute,
  month,
  pan,
  ticks,
  tOf,
  visible,
  within,
  xOf,
  zoom,
} from "../src/lib/timebar";
import { cueAt, readThumbs } from "../src/lib/vtt";

const noon = new Date(2026, 10, 22, 12).getTime();
const day = dayOf(noon);

describe("moments", () => {
  it.each([
    ["2026-11-22T14:03:20Z", Date.UTC(2026, 10, 22, 14, 3, 20)],
    ["2026-11-22T14:03:20.250+08:00", Date.UTC(2026, 10, 22, 6, 3, 20, 250)],
    ["2026-11-22T14:03:20 08:00", Date.UTC(2026, 10, 22, 6, 3, 20)], // what a query string makes of a plus
    ["1795356200", 1795356200000],
    ["1795356200.5", 1795356200500],
    ["-90s", noon - 90_000],
    ["-1h30m", noon - 90 * minute],
    ["-2h", noon - 2 * hour],
  ])("%s", (text, at) => expect(parseMoment(text, noon)).toBe(at));
  it.each(["", null, "yesterday", "-", "-90", "90s", "2026-11-22", "2026-13-45T00:00:00Z", "-9x"])(
    "%s is none",
    (text) => expect(parseMoment(text, noon)).toBeUndefined(),
  );
  it("are written so that they are read again", () => {
    for (const at of [noon, noon + 123]) expect(parseMoment(writeMoment(at), 0)).toBe(at);
    expect(writeMoment(Date.UTC(2026, 0, 2, 3, 4, 5))).toBe("2026-01-02T03:04:05Z");
    expect(readLocal(localValue(noon))).toBe(noon);
    expect(titleOf("live/show", noon)).toBe(`live/show ${localValue(noon).replace("T", " ")}`);
    expect(titleOf("a".repeat(255), noon)).toHaveLength(200); // the server takes no more
    expect(readLocal("nonsense")).toBeUndefined();
  });
  it("on a clock are the newest within the range", () => {
    const to = noon + 20 * minute;
    expect(clockWithin("12:10", noon - hour, to)).toBe(noon + 10 * minute);
    expect(clockWithin("11:30:05", noon - hour, to)).toBe(noon - 30 * minute + 5000);
    expect(clockWithin("12:30", noon - hour, to)).toBeUndefined();
    expect(clockWithin("12:30", noon - 24 * hour, to)).toBe(noon - 24 * hour + 30 * minute);
    for (const bad of ["", "25:00", "12:60", "12", "noon"])
      expect(clockWithin(bad, noon - hour, to)).toBeUndefined();
    expect(clockText(noon + 5000)).toBe("12:00:05");
  });
});

describe("bar of time", () => {
  const view = { from: noon, to: noon + hour };
  it("puts a moment where it is read back", () => {
    for (const x of [0, 1, 250, 999]) expect(xOf(view, tOf(view, x, 1000), 1000)).toBeCloseTo(x);
  });
  it("zooms around the pointer and stays inside", () => {
    const anchor = noon + 15 * minute;
    const near = zoom(view, 0.5, anchor, day);
    expect(near.to - near.from).toBe(30 * minute);
    expect(xOf(near, anchor, 1)).toBeCloseTo(0.25);
    expect(zoom(view, 1000, anchor, day)).toEqual(day);
    const least = zoom(view, 1e-9, anchor, day);
    expect(least.to - least.from).toBe(2 * minute);
  });
  it("pans to its limits and not beyond", () => {
    expect(pan(view, -48 * hour, day)).toEqual({ from: day.from, to: day.from + hour });
    expect(pan(view, 48 * hour, day)).toEqual({ from: day.to - hour, to: day.to });
    expect(within({ from: 0, to: 10 }, { from: 3, to: 5 })).toEqual({ from: 3, to: 5 });
  });
  it("labels round moments, apart enough", () => {
    for (const width of [320, 1200])
      for (const length of [2 * minute, 17 * minute, hour, 7 * hour, 24 * hour]) {
        const v = { from: noon + 7777, to: noon + 7777 + length };
        const marks = ticks(v, width);
        expect(marks.length).toBeGreaterThan(1);
        const xs = marks.map((m) => xOf(v, m.at, width));
        for (let i = 1; i < xs.length; i++) expect((xs[i] ?? 0) - (xs[i - 1] ?? 0)).toBeGreaterThan(60);
        for (const m of marks) expect(new Date(m.at).getMilliseconds()).toBe(0);
      }
  });
  it("joins what is nearer than a pixel, and only what is alike", () => {
    const spans = Array.from({ length: 3600 }, (_, i) => ({
      from: noon + i * 1000,
      to: noon + i * 1000 + 990,
      run: i < 1800 ? 1 : 2,
    }));
    expect(visible(spans, day, 1000, (a, b) => a.run === b.run)).toHaveLength(2);
    expect(visible(spans, { from: noon, to: noon + 5000 }, 1000)).toHaveLength(5);
    expect(spans[0]?.to).toBe(noon + 990); // the source stays as it was
  });
  it("finds the holes", () => {
    const v = { from: 0, to: 100_000 };
    expect(
      holes(
        [
          { from: 50_000, to: 60_000 },
          { from: -5, to: 10_000 },
          { from: 10_100, to: 20_000 },
        ],
        v,
      ),
    ).toEqual([
      { from: 20_000, to: 50_000 },
      { from: 60_000, to: 100_000 },
    ]);
    expect(holes([], v)).toEqual([v]);
    expect(holes([v], v)).toEqual([]);
  });
  it("begins where there is little footage, or with the whole day", () => {
    const little = fitDay([{ from: noon, to: noon + 10 * minute }], day);
    expect(little).toEqual({ from: noon - 10 * minute, to: noon + 20 * minute });
    expect(
      fitDay(
        [
          { from: noon, to: noon + hour },
          { from: day.to + hour, to: day.to + 2 * hour },
        ],
        day,
      ),
    ).toEqual({
      from: noon - 6 * minute,
      to: noon + 66 * minute,
    });
    expect(
      fitDay(
        [
          { from: noon, to: noon + minute },
          { from: noon + 4 * hour, to: noon + 5 * hour },
        ],
        day,
      ),
    ).toEqual(day);
    expect(fitDay([], day)).toEqual(day);
    expect(fitDay([{ from: day.from - hour, to: day.from + minute }], day).from).toBe(day.from);
  });
  it("knows days by the local calendar", () => {
    expect(new Date(day.from).getHours()).toBe(0);
    expect(dayOf(day.from, -1).to).toBe(day.from);
    const cells = month(noon);
    expect(cells.length % 7).toBe(0);
    expect(cells.filter((c) => c.inside)).toHaveLength(30);
    expect(new Date(cells[0]?.at ?? 0).getDay()).toBe(1);
    expect(new Date(month(noon, 0)[0]?.at ?? 0).getDay()).toBe(0);
  });
});

describe("dragging a range", () => {
  const limits = { from: 0, to: 100_000 };
  const began = { from: 40_000, to: 60_000 };
  it.each([
    ["new", { from: 40_000, to: 40_000 }, 15_000, [40_000, 55_000]],
    ["new", { from: 40_000, to: 40_000 }, -15_000, [25_000, 40_000]],
    ["new", { from: 40_000, to: 40_000 }, 1e9, [40_000, 100_000]],
    ["from", began, -10_000, [30_000, 60_000]],
    ["from", began, 30_000, [60_000, 70_000]], // past the other end
    ["from", began, 19_900, [59_000, 60_000]], // never shorter than a second
    ["to", began, 10_000, [40_000, 70_000]],
    ["to", began, -1e9, [0, 40_000]],
    ["both", began, 1e9, [80_000, 100_000]],
  ] as const)("%s %o by %d", (handle, start, by, [from, to]) => {
    expect(dragRange(handle, start, by, limits)).toEqual({ from, to });
  });
  it("works by keys", () => {
    const view = { from: noon, to: noon + hour };
    const s = { view, limits: day, cursor: noon + minute, range: null };
    const step = keyStep(view);
    expect(step).toBe(30_000);
    expect(barKey("ArrowLeft", false, s)).toEqual({ cursor: noon + minute - step });
    expect(barKey("ArrowRight", true, s)).toEqual({ cursor: noon + minute + 6 * step });
    const left = barKey("PageDown", false, s);
    expect(left?.cursor).toBe(noon + minute - 15 * minute);
    expect(left?.view && left.view.from <= (left.cursor ?? 0)).toBe(true);
    expect(barKey("Home", false, s)).toEqual({ cursor: view.from });
    expect(barKey("i", false, s)?.range).toEqual({ from: s.cursor, to: s.cursor + 1000 });
    expect(barKey("o", false, { ...s, range: { from: noon, to: noon + hour } })?.range).toEqual({
      from: noon,
      to: s.cursor,
    });
    expect(barKey("+", false, s)?.view).toEqual(zoom(view, 0.5, s.cursor, day));
    expect(barKey("Escape", false, s)).toBeUndefined();
    expect(barKey("x", false, s)).toBeUndefined();
  });
});

describe("small pictures", () => {
  const base = "http://h/live/show/thumbs.vtt?from=x";
  const text = `WEBVTT\r\n\r\n00:00:00.000 --> 00:00:10.000\r\nsprite-1795356200.jpg#xywh=0,0,160,90\r\n
1
00:10.000 --> 00:20.000 align:start
sprite-1795356200.jpg#xywh=pixel:160,0,160,90

00:01:00.000 --> 01:00:10.000
/other/single.jpg

NOTE broken
00:02:00.000 --> nonsense
x.jpg
`;
  it("are read with their tiles", () => {
    const cues = readThumbs(text, base, noon);
    expect(cues.map((c) => (c.from - noon) / 1000)).toEqual([0, 10, 60]);
    expect(cues[1]).toMatchObject({
      url: "http://h/live/show/sprite-1795356200.jpg",
      x: 160,
      y: 0,
      w: 160,
      h: 90,
    });
    expect(cues[2]).toMatchObject({ url: "http://h/other/single.jpg", w: 0 });
  });
  it.each(["start=1795356200.5", "start=2026-11-22T14:03:20.500Z", "epoch 1795356200.5"])(
    "may name their own: %s",
    (said) => {
      const named = text.replace("WEBVTT\r\n", `WEBVTT\r\n\r\nNOTE ${said}\r\n`);
      expect(readThumbs(named, base, noon)[0]?.from).toBe(1795356200500);
    },
  );
  it("are found by moment, and not far from one", () => {
    const cues = readThumbs(text, base, noon);
    expect(cueAt(cues, noon + 12_000)?.x).toBe(160);
    expect(cueAt(cues, noon + 25_000)?.x).toBe(160);
    expect(cueAt(cues, noon + 45_000)).toBeUndefined();
    expect(cueAt(cues, noon - 20_000)).toBeUndefined();
    expect(cueAt([], noon)).toBeUndefined();
  });
  it("read nothing out of nonsense", () => {
    for (const bad of ["", "<html>", "WEBVTT", "-->\n-->"]) expect(readThumbs(bad, base, 0)).toEqual([]);
  });
});

describe("storage", () => {
  const GiB = 2 ** 30;
  const load = { state: "ok", free: 100 * GiB, used: 50 * GiB, bytes_per_day: 10 * GiB };
  const none = { total_bytes: 0, min_free: 0 };
  const week = 7 * 86_400;
  it.each([
    ["fills up where nothing is ever deleted", load, none, -1, { kind: "full", days: 10 }],
    [
      "says hours where days are few",
      { ...load, bytes_per_day: 800 * GiB },
      none,
      -1,
      { kind: "soon", hours: 3 },
    ],
    ["stays level where time deletes first", load, none, week, { kind: "steady", seconds: week }],
    [
      "fills up before the time is over",
      { ...load, bytes_per_day: 50 * GiB },
      none,
      week,
      { kind: "full", days: 2 },
    ],
    [
      "deletes what the free space rule says",
      load,
      { total_bytes: 0, min_free: 20 * GiB },
      -1,
      { kind: "deletes", days: 8, reach: 13 * 86_400 },
    ],
    [
      "deletes what the limit in all says",
      load,
      { total_bytes: 60 * GiB, min_free: GiB },
      -1,
      { kind: "deletes", days: 1, reach: 6 * 86_400 },
    ],
    [
      "is at the limit",
      { ...load, free: GiB },
      { total_bytes: 0, min_free: 2 * GiB },
      -1,
      { kind: "deletes", days: 0, reach: 5 * 86_400 },
    ],
    [
      "knows nothing while nothing is written",
      { ...load, bytes_per_day: 0 },
      none,
      week,
      { kind: "unknown" },
    ],
    ["is full", { ...load, state: "full" }, none, week, { kind: "now" }],
    ["without rules of time yet", load, none, undefined, { kind: "full", days: 10 }],
  ] as const)("%s", (_what, v, keep, longest, want) => expect(forecast(v, keep, longest)).toEqual(want));
  it("takes the longest rule", () => {
    expect(longestKeep([{ keep_s: 60 }, { keep_s: week }], 7200)).toBe(week);
    expect(longestKeep([{ keep_s: 60 }, { keep_s: -1 }], 7200)).toBe(-1);
    expect(longestKeep([{ keep_s: 0 }], 7200)).toBe(7200);
    expect(longestKeep([], 7200)).toBeUndefined();
  });
  it("says how long things are kept", () => {
    expect([-1, 0, 60].map(keepKind)).toEqual(["ever", "window", "time"]);
    expect([45, 90, 600, 7200, 36 * 3600, 604_800].map((s) => amount(s))).toEqual([
      [45, "second"],
      [90, "second"],
      [10, "minute"],
      [2, "hour"],
      [36, "hour"],
      [7, "day"],
    ]);
    expect(spanText("en", 604_800)).toBe("7 days");
    expect(spanText("zh-CN", 7200)).toBe("2 小时");
    expect(untilOf("ever", noon)).toBeNull();
    expect(untilOf("7", noon)).toBe(new Date(noon + 7 * 24 * hour).toISOString());
  });
});

describe("alarms", () => {
  const event = (type: string, data: Record<string, unknown>): ServerEvent => ({
    id: "1",
    type,
    timestamp: "t",
    data,
  });
  const full = event("storage.alarm", { code: "recording_stopped", message: "Full.", remedy: "Free some." });
  it("stay until the server takes them back", () => {
    let list: readonly Alarm[] = heard([], full);
    list = heard(
      list,
      event("storage.alarm", { code: "footage_damaged", timeline: "live/a", message: "Damaged." }),
    );
    expect(list.map((a) => a.code)).toEqual(["footage_damaged", "recording_stopped"]);
    list = heard(list, event("storage.ok", {}));
    expect(list.map((a) => a.code)).toEqual(["footage_damaged"]);
    expect(heard(heard([], full), event("storage.alarm", { code: "recording_resumed" }))).toEqual([]);
  });
  it("say the same once, and never grow without end", () => {
    let list: readonly Alarm[] = [];
    for (let i = 0; i < 20; i++)
      list = heard(list, event("storage.alarm", { code: "footage_damaged", timeline: `live/${i % 9}` }));
    expect(list).toHaveLength(5);
    expect(heard(list, event("stream.started", {}))).toBe(list);
  });
});

describe("addresses of timelines", () => {
  it.each(["live/show", "a", "北京/直播 1", "live/100%"])("%s", (name) => {
    expect(readTimelinePath(`/console${timelinePage(name)}`)).toBe(name);
  });
  it("ignore what is none", () => {
    expect(readTimelinePath("/console/timelines/")).toBeUndefined();
    expect(readTimelinePath("/console/timelines/%")).toBeUndefined();
  });
});

beforeEach(() => vi.useRealTimers());
afterEach(() => vi.unstubAllGlobals());
