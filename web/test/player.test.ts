import { afterEach, describe, expect, it, vi } from "vitest";
import { type Brain, Director, type View } from "../src/player/brain";
import { type Commands, Controls, clock } from "../src/player/controls";
import { speedFor } from "../src/player/edge";
import { type Engine, EngineError, type EngineName } from "../src/player/engine";
import { type Doing, lookOf } from "../src/player/face";
import { flvError } from "../src/player/flv";
import { keyAction } from "../src/player/keys";
import { waitingOf } from "../src/player/look";
import { nearest, translator } from "../src/player/strings";
import { askWatch, type WatchAnswer, type WatchInfo } from "../src/player/watch";
import { askStereo, iceServers, readAnswer } from "../src/player/whep";

const problem = (status: number, body: object) =>
  new Response(JSON.stringify(body), { status, headers: { "Content-Type": "application/problem+json" } });

describe("what locks a stream", () => {
  const shown = (code: string, unlock = (_: string) => {}) => {
    const controls = new Controls(translator("en"), { unlock } as Commands);
    const video = document.createElement("video");
    const view: View = { phase: "error", mode: "low", skipped: {}, error: { code, text: "" } };
    const none = { engine: undefined, rewind: undefined, latency: undefined };
    const still = {
      blocked: "no",
      wantPaused: false,
      offLive: false,
      notice: "",
      title: "",
      fullscreen: false,
      pip: false,
    };
    controls.show(lookOf({ t: translator("en"), video, view, ...none, ...still } as Doing));
    return controls;
  };

  it.each([
    ["key_missing", true],
    ["key_wrong", true],
    ["codec_unsupported", false],
  ])("%s: a key can be typed: %s", (code, typed) => {
    expect(shown(code).part("unlock").hidden).toBe(!typed);
    expect(shown(code).part("acts").hidden).toBe(typed);
  });
  it("is tried as it was typed", () => {
    const tried: string[] = [];
    const controls = shown("key_missing", (key) => tried.push(key));
    (controls.part("key") as HTMLInputElement).value = " wk_abc ";
    controls.part("unlock").dispatchEvent(new Event("submit"));
    expect(tried).toEqual(["wk_abc"]);
  });
  it("has no colon before nothing", () => {
    expect(shown("key_missing").part("quality").getAttribute("aria-label")).toBe("Quality");
  });
});

describe("WHEP", () => {
  const url = "http://h:8080/live/show/whep";

  it("takes the answer and resolves a relative session address", async () => {
    const res = new Response("v=0\r\n", { status: 201, headers: { Location: "/live/show/whep/abc" } });
    expect(await readAnswer(res, url)).toEqual({
      sdp: "v=0\r\n",
      resource: "http://h:8080/live/show/whep/abc",
    });
  });
  it("lives without a session address", async () => {
    expect((await readAnswer(new Response("v=0\r\n", { status: 201 }), url)).resource).toBeUndefined();
  });
  it.each([
    [409, { code: "b_frames", detail: "B-frames.", remedy: "Set 0." }, "b_frames", true],
    [403, { code: "key_missing", detail: "No key." }, "key_missing", false],
    [503, {}, "http_503", true],
    [404, { code: "stream_unknown", detail: "None." }, "stream_unknown", true],
    [422, { code: "codec_unsupported", detail: "HEVC." }, "codec_unsupported", false],
  ])("%i becomes a reason", async (status, body, code, retry) => {
    await expect(readAnswer(problem(status, body), url)).rejects.toMatchObject({ code, retry });
  });
  it("refuses what is no SDP", async () => {
    await expect(readAnswer(new Response("<html>", { status: 200 }), url)).rejects.toMatchObject({
      code: "whep_answer",
    });
  });
  it("reads ICE servers from Link", () => {
    const link =
      '<stun:s.example.net>; rel="ice-server", <turn:t.example.net?transport=udp>; rel="ice-server"; username="u"; credential="c,d", </x>; rel="next"';
    expect(iceServers(link)).toEqual([
      { urls: "stun:s.example.net", username: undefined, credential: undefined },
      { urls: "turn:t.example.net?transport=udp", username: "u", credential: "c,d" },
    ]);
    expect(iceServers(null)).toEqual([]);
  });
  it("asks for stereo once", () => {
    const sdp = "a=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10;useinbandfec=1\r\n";
    const asked = askStereo(sdp);
    expect(asked).toContain("a=fmtp:111 stereo=1;minptime=10");
    expect(askStereo(asked)).toBe(asked);
    expect(askStereo("a=rtpmap:0 PCMU/8000")).toBe("a=rtpmap:0 PCMU/8000");
  });
});

describe("distance to the edge", () => {
  it("leaves the speed alone near its target and hurries by steps", () => {
    const at = (reserve: number, now = 1) => speedFor(reserve, 0.2, now);
    expect([0.2, 0.25, 0.29].map((r) => at(r))).toEqual([1, 1, 1]);
    expect([0.31, 0.6, 1.2].map((r) => at(r))).toEqual([1.05, 1.1, 1.25]);
    expect([0.05, 0.12, 0.14].map((r) => at(r))).toEqual([0.9, 0.95, 1]);
  });
  it("stops later than it starts, both ways", () => {
    expect(speedFor(0.25, 0.2, 1.05)).toBe(1.05);
    expect(speedFor(0.25, 0.2, 1.25)).toBe(1.05);
    expect(speedFor(0.21, 0.2, 1.05)).toBe(1);
    expect(speedFor(0.17, 0.2, 0.9)).toBe(0.95);
    expect(speedFor(0.17, 0.2, 0.95)).toBe(0.95);
    expect(speedFor(0.19, 0.2, 0.95)).toBe(1);
  });
});

describe("FLV errors", () => {
  it.each([
    ["NetworkError", "HttpStatusCodeInvalid", { code: 403 }, "http_403", false],
    ["NetworkError", "HttpStatusCodeInvalid", { code: 404 }, "http_404", true],
    ["NetworkError", "Exception", { msg: "gone" }, "network", true],
    ["MediaError", "CodecUnsupported", {}, "codec_unsupported", false],
    ["MediaError", "MediaMSEError", {}, "media_error", true],
  ])("%s %s", (kind, detail, info, code, retry) => {
    expect(flvError(kind, detail, info)).toMatchObject({ code, retry });
  });
});

describe("who may watch", () => {
  afterEach(() => vi.unstubAllGlobals());
  const serve = (res: Response) =>
    vi.stubGlobal(
      "fetch",
      vi.fn(async () => res),
    );

  it("escapes the name", async () => {
    serve(new Response(JSON.stringify({ name: "live/show", state: "live" })));
    await askWatch("http://h", "/live/show/", "?key=k");
    expect(vi.mocked(fetch).mock.calls[0]?.[0]).toBe("http://h/api/v1/watch/live%2Fshow?key=k");
  });
  it("waits for a stream that is not there", async () => {
    serve(problem(404, { code: "stream_unknown" }));
    expect(await askWatch("", "a", "")).toMatchObject({ kind: "info", info: { state: "idle" } });
  });
  it("lets the engines try where the server has no such page", async () => {
    serve(new Response("not found", { status: 404 }));
    expect(await askWatch("", "a", "")).toEqual({ kind: "unknown" });
  });
  it("tells refused from unreachable", async () => {
    serve(problem(403, { code: "key_missing", detail: "No." }));
    expect(await askWatch("", "a", "")).toMatchObject({ kind: "refused", code: "key_missing" });
    serve(problem(503, {}));
    expect(await askWatch("", "a", "")).toEqual({ kind: "unreachable" });
  });
});

/** An engine whose fate the test decides. */
class Puppet implements Engine {
  onend?: (why: EngineError) => void;
  stopped = false;
  readonly name: EngineName;
  private readonly fate: EngineError | undefined;
  constructor(name: EngineName, fate?: EngineError) {
    this.name = name;
    this.fate = fate;
  }
  start = async () => {
    if (this.fate) throw this.fate;
  };
  stop = () => {
    this.stopped = true;
  };
  latency = () => 0;
  edge = () => 0;
  goLive = () => {};
  qualities = () => ({ auto: false, list: [] });
  setQuality = () => {};
  stats = async () => ({ protocol: "puppet" });
}

function stage(info: Partial<WatchInfo>, fates: Partial<Record<EngineName, EngineError>> = {}) {
  const made: Puppet[] = [];
  const views: View[] = [];
  const live = { name: "a", state: "live", ...info } as WatchInfo;
  const world = { info: live, progress: 0, moving: true, heard: false, asked: 0 };
  const brain: Brain = {
    make: (name) => {
      const p = new Puppet(name, fates[name]);
      made.push(p);
      return p;
    },
    ask: async (): Promise<WatchAnswer> => {
      world.asked++;
      return { kind: "info", info: world.info };
    },
    heard: () => world.heard,
    canDecode: () => true,
    progress: () => (world.moving ? ++world.progress : world.progress),
    freeze: () => {},
    changed: (v) => views.push(v),
  };
  return { made, views, world, brain };
}

describe("director", () => {
  const run = async (ms: number) => {
    await vi.advanceTimersByTimeAsync(ms);
  };
  const setup = (...args: Parameters<typeof stage>) => {
    vi.useFakeTimers();
    return stage(...args);
  };
  afterEach(() => vi.useRealTimers());

  it("knows a broadcast that has ended from one that has not begun", async () => {
    const s = setup({ state: "idle" });
    const d = new Director(s.brain, "realtime");
    d.start();
    await run(1000);
    expect(waitingOf(translator("en"), d.state)).toContain("has not started");
    s.world.info = { name: "a", state: "live" };
    await run(2000);
    expect(d.state.phase).toBe("playing");
    s.world.info = { name: "a", state: "away" };
    s.world.moving = false;
    await run(4000);
    expect(waitingOf(translator("en"), d.state)).toContain("is paused");
    s.world.info = { name: "a", state: "idle" };
    await run(4000);
    expect(waitingOf(translator("en"), d.state)).toContain("has ended");
    expect(waitingOf(translator("zh-CN"), d.state)).toContain("直播已结束");
    d.stop();
  });
  it("says which codec the browser lacks", async () => {
    const s = setup({});
    const tracks = [
      { kind: "audio", codec: "AAC", codecs: "mp4a.40.2" },
      { kind: "video", codec: "HEVC", codecs: "hvc1.1.6.L60.90" },
    ];
    s.world.info = { name: "live/show", state: "live", tracks };
    const d = new Director({ ...s.brain, canDecode: () => false }, "low");
    d.start();
    await run(1000);
    expect(d.state).toMatchObject({ phase: "error", error: { code: "codec_unsupported", codec: "HEVC" } });
    d.stop();
  });
  it("plays the first engine of the mode", async () => {
    const s = setup({});
    const d = new Director(s.brain, "realtime");
    d.start();
    await run(1000);
    expect(d.state).toMatchObject({ phase: "playing", engine: "whep", skipped: {} });
    d.stop();
    expect(s.made[0]?.stopped).toBe(true);
  });

  it("passes over what the server does not offer, and says why", async () => {
    const s = setup({ outputs: { whep: { ok: false, code: "b_frames", message: "B-frames." } } });
    const d = new Director(s.brain, "realtime");
    d.start();
    await run(1000);
    expect(d.state).toMatchObject({ engine: "flv", skipped: { whep: { code: "b_frames" } } });
    d.stop();
  });

  it("falls back at once from what can never work", async () => {
    const s = setup({}, { whep: new EngineError("webrtc_blocked", "Blocked.", false) });
    const d = new Director(s.brain, "realtime");
    d.start();
    await run(500);
    expect(s.made.map((p) => p.name)).toEqual(["whep", "flv"]);
    d.stop();
  });

  it("is back within a second when the server ends a session that played", async () => {
    const s = setup({});
    const d = new Director(s.brain, "realtime");
    d.start();
    await run(5000);
    s.made[0]?.onend?.(new EngineError("session_ended", "Ended."));
    await run(1000);
    expect(s.made.map((p) => p.name)).toEqual(["whep", "whep"]);
    expect(d.state.phase).toBe("playing");
    d.stop();
  });

  it("keeps the engine while the publisher is away, and says so", async () => {
    const s = setup({});
    const d = new Director(s.brain, "low");
    d.start();
    await run(3000);
    s.world.moving = false;
    s.world.info = { name: "a", state: "away" };
    await run(20_000);
    expect(d.state.phase).toBe("waiting");
    expect(s.made).toHaveLength(1);
    s.world.moving = true;
    s.world.info = { name: "a", state: "live" };
    await run(2000);
    expect(d.state.phase).toBe("playing");
    expect(s.made).toHaveLength(1);
    d.stop();
  });

  it("waits for a stream that has not begun and starts by itself", async () => {
    const s = setup({ state: "idle" });
    const d = new Director(s.brain, "realtime");
    d.start();
    await run(60_000);
    expect(d.state.phase).toBe("waiting");
    expect(s.made).toHaveLength(0);
    s.world.info = { name: "a", state: "live" };
    await run(1500);
    expect(d.state.phase).toBe("playing");
    d.stop();
  });

  it("never leaves a forced engine", async () => {
    const s = setup({}, { hls: new EngineError("media_error", "No.") });
    const d = new Director(s.brain, "realtime", "hls");
    d.start();
    await run(30_000);
    expect(new Set(s.made.map((p) => p.name))).toEqual(new Set(["hls"]));
    expect(s.made.length).toBeGreaterThan(3);
    d.stop();
  });

  const picture = { kind: "video", codec: "H.264", codecs: "avc1.64001f", bitrate_bps: 300_000 };
  const sound = { kind: "audio", codec: "AAC", codecs: "mp4a.40.2", bitrate_bps: 128_000 };

  it.each([
    ["had none", [picture]],
    ["had announced it", [picture, { ...sound, bitrate_bps: 0 }]],
  ])("begins anew, once, when sound comes to a stream that %s", async (_, tracks) => {
    const s = setup({ tracks });
    const d = new Director(s.brain, "realtime");
    d.start();
    await run(20_000);
    expect(s.made).toHaveLength(1);
    s.world.info = { name: "a", state: "live", tracks: [picture, sound] };
    await run(8000);
    expect(s.made.map((p) => p.name)).toEqual(["whep", "whep"]);
    expect(d.state).toMatchObject({ phase: "playing", skipped: {} });
    const asked = s.world.asked;
    await run(60_000);
    // Sound that this browser cannot play is no reason to begin again and again.
    expect(s.made).toHaveLength(2);
    expect(s.world.asked).toBe(asked);
    d.stop();
  });
  it("leaves alone an engine that gives the sound that has begun", async () => {
    const s = setup({ tracks: [picture, { ...sound, bitrate_bps: 0 }] });
    const d = new Director(s.brain, "low");
    d.start();
    await run(1000);
    s.world.info = { name: "a", state: "live", tracks: [picture, sound] };
    s.world.heard = true;
    await run(60_000);
    expect(s.made).toHaveLength(1);
    expect(s.world.asked).toBeLessThan(5);
    d.stop();
  });
  it("asks seldom whether a camera without sound has some", async () => {
    const s = setup({ tracks: [picture] });
    const d = new Director(s.brain, "realtime");
    d.start();
    await run(600_000);
    expect(s.made).toHaveLength(1);
    expect(s.world.asked).toBeLessThan(70);
    d.stop();
  });

  it("names the reason when no engine is left, and tries again later", async () => {
    const no = { ok: false, code: "codec_unsupported", message: "HEVC." };
    const s = setup({ outputs: { whep: no, flv: no, hls: no } });
    const d = new Director(s.brain, "realtime");
    d.start();
    await run(1000);
    expect(d.state).toMatchObject({ phase: "error", error: { code: "codec_unsupported" } });
    s.world.info = { name: "a", state: "live" };
    await run(8000);
    expect(d.state.phase).toBe("playing");
    d.stop();
  });
});

describe("small things", () => {
  it("clock", () => expect([5, 62, 3723].map(clock)).toEqual(["0:05", "1:02", "1:02:03"]));
  it("nearest language", () => {
    expect([nearest("zh-Hans-CN"), nearest("ZH"), nearest("de"), nearest(null)]).toEqual([
      "zh-CN",
      "zh-CN",
      "en",
      "en",
    ]);
  });
  it("falls back to the key's English", () => {
    expect(translator("zh-CN")("mode.low")).toBe("低延迟");
    expect(translator("en")("behind", { time: "0:42" })).toBe("0:42 behind");
  });
  it("leaves typing alone", () => {
    const input = document.createElement("input");
    const press = (target: EventTarget, key: string, inside = false) => {
      let got: ReturnType<typeof keyAction>;
      target.addEventListener(
        "keydown",
        (e) => {
          got = keyAction(e as KeyboardEvent, inside);
        },
        { once: true },
      );
      target.dispatchEvent(new KeyboardEvent("keydown", { key }));
      return got;
    };
    expect(press(input, "m")).toBeUndefined();
    expect(press(input, "p", true)).toBeUndefined(); // "PM" in a field of the player itself
    expect(press(input, "Escape", true)).toBe("close");
    const slider = Object.assign(document.createElement("input"), { type: "range" });
    expect(press(slider, "ArrowLeft", true)).toBeUndefined();
    expect(press(slider, "m", true)).toBe("mute");
    expect(press(slider, "m")).toBeUndefined();
    expect(press(document.createElement("div"), "m")).toBe("mute");
    expect(press(document.createElement("button"), " ")).toBeUndefined();
    expect(press(document.createElement("div"), "L")).toBe("live");
  });
});
