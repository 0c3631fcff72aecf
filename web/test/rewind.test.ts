import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { hour, minute } from "../src/lib/timebar";
import { Dvr, windowOf } from "../src/player/dvr";
import { EngineError } from "../src/player/engine";
import { Past, type PastWorld, pastRange, pastUrl } from "../src/player/past";
import type { PastEngine } from "../src/player/pastengine";
import { Scrub } from "../src/player/scrub";
import { translator } from "../src/player/strings";
import { Joiner } from "../src/player/wall";
import type { WatchInfo } from "../src/player/watch";

const now = Date.UTC(2026, 10, 22, 12);
const iso = (t: number) => new Date(t).toISOString();

describe("what of the past is loaded", () => {
  it("grows with the stream, and begins a little early", () => {
    expect(pastRange(now - 40 * minute, now - 2 * hour, now)).toEqual({ from: now - 42 * minute });
    expect(pastRange(now - 2 * hour, now - 2 * hour, now)).toEqual({ from: now - 2 * hour });
  });
  it("comes in pieces where it is long", () => {
    const at = now - 50 * hour;
    expect(pastRange(at, 0, now)).toEqual({ from: at - 2 * minute, to: at - 2 * minute + 3 * hour });
    expect(pastRange(at, 0, now, at + hour)).toEqual({ from: at - 2 * minute, to: at + hour });
  });
  it("is asked for with the key", () => {
    expect(pastUrl("http://h/live/show", "?key=k", { from: now, to: now + 1500 })).toBe(
      "http://h/live/show/index.m3u8?key=k&from=2026-11-22T12%3A00%3A00Z&to=2026-11-22T12%3A00%3A01.500Z",
    );
  });
});

describe("window of the bar", () => {
  const info = (more: Partial<WatchInfo>): WatchInfo => ({ name: "a", state: "live", ...more });
  it("is off without a past", () => {
    expect(windowOf({}, info({}), now)).toBeUndefined();
    expect(windowOf({}, undefined, now)).toBeUndefined();
    expect(windowOf({}, info({ dvr_s: 0 }), now)).toBeUndefined();
    expect(windowOf({}, info({ dvr_s: 7200, past_from: iso(now - 2000) }), now)).toBeUndefined();
  });
  it("reaches as far as footage and the rule allow", () => {
    expect(windowOf({}, info({ dvr_s: 7200 }), now)).toEqual({ from: now - 2 * hour, to: now });
    expect(windowOf({}, info({ dvr_s: 7200, past_from: iso(now - hour) }), now)).toEqual({
      from: now - hour,
      to: now,
    });
    expect(windowOf({}, info({ dvr_s: 7200, past_from: iso(now - 9 * hour) }), now)?.from).toBe(
      now - 2 * hour,
    );
  });
  it("ends with the footage of a stream that is over", () => {
    const over = info({
      state: "idle",
      dvr_s: 7200,
      past_from: iso(now - 3 * hour),
      past_to: iso(now - hour),
    });
    expect(windowOf({}, over, now)).toEqual({ from: now - 3 * hour, to: now - hour });
  });
  it("is the range that the address names", () => {
    const asked = { from: now - hour, to: now - minute };
    expect(windowOf(asked, undefined, now)).toEqual(asked);
    expect(windowOf({ from: now - hour }, undefined, now)).toEqual({ from: now - hour, to: now });
    expect(windowOf({ from: now, to: now - 1 }, undefined, now)).toBeUndefined();
  });
  it("shows an hour around a moment that lies before it", () => {
    const at = now - 30 * hour;
    expect(windowOf({ at }, info({ dvr_s: 7200 }), now)).toEqual({
      from: at - 10 * minute,
      to: at + 50 * minute,
    });
    expect(windowOf({ at: now - hour }, info({ dvr_s: 7200 }), now)?.to).toBe(now);
  });
});

describe("clock on the wall", () => {
  const seg = (d: number, lines: string[] = []) => [...lines, `#EXTINF:${d},`, "seg.m4s"];
  const date = (t: number) => `#EXT-X-PROGRAM-DATE-TIME:${iso(t)}`;
  const playlist = [
    "#EXTM3U",
    ...seg(2, [date(now)]),
    ...seg(2),
    ...seg(2, [date(now + 4000)]),
    ...seg(2, ["#EXT-X-GAP"]),
    ...seg(2),
    ...seg(4, ["#EXT-X-DISCONTINUITY", date(now + minute)]),
  ].join("\n");
  const read = (text: string) => {
    const joiner = new Joiner();
    joiner.take(text);
    return joiner.map;
  };
  const map = read(playlist);

  it("runs through segments, gaps and runs", () => {
    expect(map?.spans()).toEqual([
      { from: now, to: now + 6000 },
      { from: now + 8000, to: now + 10_000 },
      { from: now + minute, to: now + minute + 4000 },
    ]);
    expect([map?.from, map?.to, map?.end]).toEqual([now, now + minute + 4000, 14]);
  });
  it("finds the media of a moment, and the next of a missing one", () => {
    const at = (s: number) => map?.mediaAt(now + s * 1000);
    expect([0, 3.5, 7, 9, 30, 61, 500].map(at)).toEqual([0, 3.5, 8, 9, 10, 11, 14]);
  });
  it("tells the moment of the media", () => {
    expect([0, 9, 12].map((m) => ((map?.wallAt(m) ?? 0) - now) / 1000)).toEqual([0, 9, 62]);
  });
  it("is unknown without dates, and of key frames alone", () => {
    expect(read(seg(2).join("\n"))).toBeUndefined();
    expect(read("")).toBeUndefined();
    expect(read(["#EXT-X-I-FRAMES-ONLY", ...seg(2, [date(now)])].join("\n"))).toBeUndefined();
  });

  const run = (at: number, durations: number[]) =>
    durations.flatMap((d, i) => seg(d, [date(at + durations.slice(0, i).reduce((a, b) => a + b, 0) * 1000)]));
  const dates = (text: string) =>
    [...text.matchAll(/DATE-TIME:(\S+)/g)].map((m) => (Date.parse(m[1] ?? "") - now) / 1000);

  it("moves the runs of all renditions by the same, however often they are read", () => {
    const joiner = new Joiner();
    // Sound begins a little earlier, and ends its first run later than the picture.
    const sound = [
      "#EXT-X-DISCONTINUITY-SEQUENCE:7",
      ...run(now - 100, [2.005333, 2.1]),
      "#EXT-X-DISCONTINUITY",
      ...run(now + minute, [2.005333]),
    ];
    const picture = [
      "#EXT-X-DISCONTINUITY-SEQUENCE:7",
      ...run(now, [2, 2]),
      "#EXT-X-DISCONTINUITY",
      ...run(now + minute, [2]),
    ];
    for (let i = 0; i < 4; i++) {
      expect(dates(joiner.take(sound.join("\n")))).toEqual([-0.1, 1.905, 4.005]);
      expect(dates(joiner.take(picture.join("\n")))).toEqual([0, 2, 4.005]);
    }
    expect(joiner.map?.stretches.map((s) => [s.media, s.wall - now])).toEqual([
      [0.1, 0],
      [4.105, minute],
    ]);
    // A run that comes later is joined too, and a clock that was set back is no hole.
    const more = joiner.take([...picture, "#EXT-X-DISCONTINUITY", ...run(now - hour, [2])].join("\n"));
    expect(dates(more)).toEqual([0, 2, 4.005, 6.005]);
    expect(joiner.map?.wallAt(7)).toBeCloseTo(now - hour + 894, -1);
  });
  it("changes nothing but dates", () => {
    const lines = playlist.split("\n");
    const after = new Joiner().take(playlist).split("\n");
    expect(after.filter((l) => !l.includes("DATE-TIME"))).toEqual(
      lines.filter((l) => !l.includes("DATE-TIME")),
    );
    expect(dates(after.join("\n"))).toEqual([0, 4, 10]);
  });
});

/** A past engine without pictures: it holds what it was told to load. */
class Reel {
  onend?: (why: EngineError) => void;
  stopped = false;
  at = 0;
  speed = 1;
  left = 100;
  trick = true;
  readonly url: URL;
  private readonly fate: EngineError | undefined;
  constructor(url: string, fate?: EngineError) {
    this.url = new URL(url);
    this.fate = fate;
  }
  private get from() {
    return Date.parse(this.url.searchParams.get("from") ?? "");
  }
  start = async () => {
    if (this.fate) throw this.fate;
  };
  stop = () => {
    this.stopped = true;
  };
  wall = () => this.at;
  spans = () => [];
  ahead = () => this.left;
  setSpeed = (n: number) => {
    this.speed = n;
  };
  seekWall = (at: number, growing: boolean) => {
    const to = this.url.searchParams.get("to");
    if (at < this.from || (!growing && to && at > Date.parse(to))) return false;
    this.at = at;
    return true;
  };
}

describe("playing the past", () => {
  const reels: Reel[] = [];
  let home = 0;
  let fate: EngineError | undefined;
  let limits: { from: number; to?: number };
  const world: PastWorld = {
    cx: () => ({ video: document.createElement("video"), base: "http://h/a", query: "", codecs: [] }),
    now: () => now,
    limits: () => limits,
    make: async (_cx, url) => {
      const reel = new Reel(url, fate);
      reels.push(reel);
      return reel as unknown as PastEngine;
    },
    freeze: () => {},
    changed: () => {},
    caughtUp: () => {
      home++;
    },
  };
  const settle = () => vi.advanceTimersByTimeAsync(0);
  const video = document.createElement("video");
  beforeEach(() => {
    vi.useFakeTimers();
    reels.length = 0;
    home = 0;
    fate = undefined;
    limits = { from: now - 48 * hour };
  });
  afterEach(() => vi.useRealTimers());

  it("loads once and moves within what it has", async () => {
    const past = new Past(world);
    past.seek(now - 40 * minute);
    expect(past.wall()).toBe(now - 40 * minute);
    for (let i = 1; i < 5; i++) past.seek(now - 40 * minute - i * 10_000);
    await settle();
    expect(past.phase).toBe("playing");
    expect(reels).toHaveLength(1);
    expect(past.wall()).toBe(now - 40 * minute - 40_000);
    past.seek(now - 5 * minute);
    expect(reels).toHaveLength(1);
    past.seek(now - 90 * minute);
    await settle();
    expect(reels).toHaveLength(2);
    expect(reels[0]?.stopped).toBe(true);
    expect(past.wall()).toBe(now - 90 * minute);
  });

  it("goes on with the next piece of a long past", async () => {
    const past = new Past(world);
    past.seek(now - 20 * hour);
    await settle();
    const end = Date.parse(reels[0]?.url.searchParams.get("to") ?? "");
    (reels[0] as Reel).left = 0.1;
    past.tick(video);
    await settle();
    expect(reels).toHaveLength(2);
    expect(past.wall()).toBe(end);
  });

  it("stays at the end of a range that has one", async () => {
    limits = { from: now - 2 * hour, to: now - hour };
    const past = new Past(world);
    past.seek(now - 90 * minute);
    await settle();
    expect(reels[0]?.url.searchParams.get("to")).toBe(iso(now - hour).replace(".000", ""));
    (reels[0] as Reel).left = 0;
    past.tick(video);
    await settle();
    expect(reels).toHaveLength(1);
  });

  it("keeps its speed over a load, and comes home when it has caught up", async () => {
    const past = new Past(world);
    past.seek(now - 10 * minute);
    await settle();
    past.setSpeed(2);
    past.seek(now - hour);
    await settle();
    expect(reels[1]?.speed).toBe(2);
    (reels[1] as Reel).left = 1;
    past.tick(video);
    expect(home).toBe(1);
  });

  it("says that nothing was recorded then, without asking again and again", async () => {
    fate = new EngineError("http_404", "HTTP 404");
    const past = new Past(world);
    past.seek(now - hour);
    await settle();
    expect(past).toMatchObject({ phase: "error", error: { code: "no_footage" } });
    expect(reels).toHaveLength(1);
  });

  it("tries again where the network failed, at the moment it had come to", async () => {
    const past = new Past(world);
    past.seek(now - hour);
    await settle();
    (reels[0] as Reel).at = now - 30 * minute;
    reels[0]?.onend?.(new EngineError("shaka_1002", "network"));
    await settle();
    expect(past.phase).toBe("playing");
    expect(past.wall()).toBe(now - 30 * minute);
    past.stop();
    expect(reels[1]?.stopped).toBe(true);
  });
});

describe("what the bar knows", () => {
  afterEach(() => vi.unstubAllGlobals());
  const watch: WatchInfo = { name: "a", state: "live", dvr_s: 7200 };

  it("takes gaps from the API, or else from the playlist", async () => {
    const wall = Date.now();
    const spans = [
      { from: iso(wall - 2 * hour - 9000), to: iso(wall - hour) },
      { from: iso(wall - 50 * minute), to: iso(wall) },
    ];
    const fetched = vi.fn(async (url: string) =>
      url.includes("/timelines/")
        ? new Response(JSON.stringify({ spans }))
        : new Response("", { status: 404 }),
    );
    vi.stubGlobal("fetch", fetched);
    const dvr = new Dvr("http://h", "live/a", "http://h/live/a", "");
    dvr.heard({ ...watch, is_owner: true });
    expect(
      dvr.gaps([
        { from: 0, to: 1000 },
        { from: 9000, to: 10_000 },
      ]),
    ).toEqual([{ from: 1000, to: 9000 }]);
    await dvr.refresh();
    await dvr.refresh();
    expect(fetched).toHaveBeenCalledTimes(2); // one for each, however often it is asked
    expect(fetched.mock.calls[0]?.[0]).toContain("http://h/api/v1/timelines/live%2Fa?from=");
    expect(dvr.gaps(undefined).map((g) => Math.round((g.to - g.from) / 1000))).toEqual([600]);
  });

  it("asks nothing of the API for a stranger", async () => {
    const fetched = vi.fn(async (_url: string) => new Response("WEBVTT\n"));
    vi.stubGlobal("fetch", fetched);
    const dvr = new Dvr("http://h", "live/a", "http://h/live/a", "?key=k");
    dvr.heard(watch);
    await dvr.refresh();
    expect(fetched.mock.calls.map((c) => c[0].split("&")[0])).toEqual(["http://h/live/a/thumbs.vtt?key=k"]);
  });

  it("follows the server's clock where this one is wrong", () => {
    const dvr = new Dvr("", "a", "", "");
    dvr.heard({ ...watch, now: iso(Date.now() + hour) });
    expect(dvr.now() - Date.now()).toBeGreaterThan(hour - 5000);
    dvr.heard({ ...watch, now: iso(Date.now() + 500) });
    expect(Math.abs(dvr.now() - Date.now())).toBeLessThan(50);
  });
});

describe("scrub bar", () => {
  const went: (number | "live")[] = [];
  const scrub = new Scrub(translator("en"), {
    seekWall: (at) => went.push(at),
    goLive: () => went.push("live"),
    cue: () => undefined,
    stirred: () => {},
  });
  const view = { from: now - 2 * hour, to: now };
  const show = (at: number, live = true) =>
    scrub.show({ view, at, gaps: [{ from: now - hour, to: now - 59 * minute }], live });
  const press = (key: string) =>
    scrub.root.dispatchEvent(new KeyboardEvent("keydown", { key, cancelable: true }));
  scrub.root.getBoundingClientRect = () => ({ left: 100, width: 720 }) as DOMRect;
  const drag = (...xs: number[]) => {
    const send = (type: string, x: number) =>
      scrub.root.dispatchEvent(new PointerEvent(type, { clientX: x, button: 0, pointerId: 1 }));
    send("pointerdown", xs[0] ?? 0);
    for (const x of xs) send("pointermove", x);
    send("pointerup", xs.at(-1) ?? 0);
  };
  beforeEach(() => {
    went.length = 0;
    show(now - hour);
  });

  it("moves by keys", () => {
    for (const key of ["ArrowLeft", "ArrowRight", "PageUp", "Home", "End", "x"]) press(key);
    expect(went).toEqual([now - hour - 10_000, now - hour + 10_000, now - 50 * minute, view.from, "live"]);
  });
  it("goes live rather than into the last seconds", () => {
    show(now - 8000);
    press("ArrowRight");
    expect(went).toEqual(["live"]);
  });
  it("has no live where the range is over", () => {
    show(now - 8000, false);
    press("End");
    expect(went).toEqual([now - 1000]);
  });
  it("seeks where the drag ends, and once", () => {
    drag(100, 300, 460);
    expect(went).toEqual([now - hour]);
    drag(460, 900);
    expect(went).toEqual([now - hour, "live"]);
  });
  it("says where it is", () => {
    expect(scrub.root.getAttribute("aria-valuetext")).toMatch(/^\d\d:\d\d:\d\d, 1:00:00 behind$/);
    expect(scrub.root.querySelectorAll(".holes i")).toHaveLength(1);
    show(now - 500);
    expect(scrub.root.getAttribute("aria-valuetext")).toBe("Live");
    scrub.show(undefined);
    expect(scrub.root.hidden).toBe(true);
  });
});
