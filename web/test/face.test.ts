import { describe, expect, it } from "vitest";
import type { View } from "../src/player/brain";
import type { Engine } from "../src/player/engine";
import { type Doing, lookOf } from "../src/player/face";
import type { Rewind } from "../src/player/rewind";
import { translator } from "../src/player/strings";

const at = Date.UTC(2026, 10, 22, 12);
const ranges = (from: number, to: number) => ({ length: 1, start: () => from, end: () => to }) as TimeRanges;
const none = { length: 0 } as TimeRanges;

const screen = (more: Partial<HTMLVideoElement> = {}) =>
  ({
    ...{
      paused: false,
      muted: false,
      volume: 1,
      ended: false,
      readyState: 4,
      currentTime: 90,
      videoHeight: 720,
    },
    seekable: none,
    ...more,
  }) as HTMLVideoElement;

const engine = (name: string, edge?: number, latency?: number) =>
  ({ name, edge: () => edge, latency: () => latency, qualities: () => undefined }) as unknown as Engine;

const playing: View = { phase: "playing", engine: "hls", mode: "stable", skipped: {} };

const look = (more: Partial<Doing> = {}) =>
  lookOf({
    ...{ t: translator("en"), video: screen(), view: playing, engine: engine("hls", 100, 2.345) },
    ...{ rewind: undefined, latency: 2.345, blocked: "no", wantPaused: false, offLive: false },
    ...{ notice: "", title: "live/show", fullscreen: false, pip: false },
    ...more,
  });

/** A past of an hour that ends now; what is on screen is 50 s old where it is played. */
const rewind = (phase?: string, closed = false) =>
  ({
    past: phase && { phase, speed: 2 },
    closed,
    window: () => ({ from: at - 3_600_000, to: at }),
    gaps: () => [],
    wall: () => at - 50_000,
  }) as unknown as Rewind;

describe("what the controls show", () => {
  it("is live at the edge", () => {
    expect(look()).toMatchObject({ live: true, behind: 0, past: false, tapToPlay: false });
    expect(look().latencyText).toBe("Stable · 2.3 s");
    expect(look({ video: screen({ paused: true }) }).live).toBe(false);
  });
  it.each([
    [1280, 720, "Source (720p)"],
    [360, 640, "Source (360p)"],
    [0, 0, ""],
  ])("calls %i×%i by its short side", (videoWidth, videoHeight, text) => {
    expect(look({ video: screen({ videoWidth, videoHeight }) }).qualityText).toBe(text);
  });
  it("knows no latency before it plays", () => {
    expect(look({ view: { ...playing, phase: "waiting" } }).latencyText).toBe("Stable");
  });
  it.each([
    ["too little to be worth a bar", "hls", ranges(90, 100), undefined],
    ["enough", "hls", ranges(40, 100), { start: 40, end: 100, at: 90 }],
    ["an engine that cannot seek", "whep", ranges(40, 100), undefined],
    ["nothing buffered", "hls", none, undefined],
  ])("has a bar to seek on: %s", (_, name, seekable, want) => {
    expect(look({ engine: engine(name, 100), video: screen({ seekable }) }).window).toEqual(want);
  });
  it("counts how far behind only where the viewer went back", () => {
    expect(look({ offLive: true }).behind).toBe(10);
    expect(look({ offLive: true, engine: engine("hls") }).behind).toBe(0);
    expect(look({ rewind: rewind() }).behind).toBe(0);
    expect(look({ rewind: rewind(), video: screen({ paused: true }), wantPaused: true }).behind).toBe(50);
    expect(look({ rewind: rewind("playing") }).behind).toBe(50);
    expect(look({ rewind: rewind("playing", true) }).behind).toBe(0);
  });
  it("says that the past is not live, and at which speed it plays", () => {
    expect(look({ rewind: rewind("playing") })).toMatchObject({ past: true, live: false, speedText: "2×" });
    expect(look({ rewind: rewind("playing", true) })).toMatchObject({ closed: true, scrub: { live: false } });
  });
  it("keeps the last picture while another is on its way", () => {
    const kind = (more: Partial<Doing>) => look(more).overlay.kind;
    expect(kind({ rewind: rewind("loading") })).toBe("seeking");
    expect(kind({ rewind: rewind("playing"), video: screen({ readyState: 2 }) })).toBe("seeking");
    expect(kind({ rewind: rewind("playing"), video: screen({ readyState: 2, ended: true }) })).toBe("none");
    expect(kind({ rewind: rewind("loading"), view: { ...playing, phase: "error" } })).toBe("error");
    expect(kind({ video: screen({ readyState: 2 }) })).toBe("none");
  });
  it("asks for a press where the browser wants one", () => {
    expect(look({ blocked: "sound" })).toMatchObject({ tapForSound: true, tapToPlay: false });
    expect(look({ blocked: "sound", view: undefined }).tapForSound).toBe(false);
    expect(look({ blocked: "all" }).tapToPlay).toBe(true);
    expect(look({ video: screen({ paused: true }), wantPaused: true }).tapToPlay).toBe(true);
  });
});

describe("a stream without a picture", () => {
  const tracks = (...list: [kind: string, codec: string][]) => ({
    name: "live/show",
    state: "live" as const,
    tracks: list.map(([kind, codec]) => ({ kind, codec, codecs: "" })),
  });
  const sound = tracks(["audio", "AAC"]);
  const both = tracks(["audio", "AAC"], ["video", "HEVC"]);

  it.each([
    ["sound alone", { ...playing, info: sound }, 0, true],
    ["a picture that is still to come", { ...playing, info: both }, 0, false],
    ["a picture in spite of what the list says", { ...playing, info: sound }, 640, false],
    ["no list, and nothing to see", playing, 0, true],
    ["no list, and a picture", playing, 640, false],
    ["no list yet", { ...playing, phase: "starting" as const }, 0, false],
  ])("%s", (_, view, videoWidth, alone) => {
    const shown = look({ view, pip: true, video: screen({ videoWidth }) });
    expect([shown.soundAlone, shown.pip]).toEqual([alone, !alone]);
  });

  const cannot = (info: View["info"], codec: string | undefined, lang: "en" | "zh-CN" = "en") =>
    look({
      t: translator(lang),
      view: { ...playing, phase: "error", info, error: { code: "codec_unsupported", text: "", codec } },
    }).overlay;

  it("names the codec that the browser lacks, and what helps", () => {
    expect(cannot(both, "HEVC")).toMatchObject({
      text: "This browser cannot decode HEVC.",
      help: expect.stringContaining("Safari"),
    });
    expect(cannot(both, "HEVC", "zh-CN")).toMatchObject({
      text: "浏览器无法解码 HEVC。",
      help: expect.stringContaining("Safari"),
    });
    expect(cannot(both, "AV1")).toMatchObject({ help: "Try another browser, or VLC." });
    expect(cannot({ ...both, is_owner: true }, "HEVC")).toMatchObject({
      help: expect.stringContaining("publish H.264"),
    });
    expect(cannot(undefined, undefined)).toMatchObject({ text: "This browser cannot decode this stream." });
  });
});
