import { afterEach, describe, expect, it, vi } from "vitest";
import { type ApiError, asCurl, call, list, maybe } from "../src/api/client";
import { publishPath, readStreamPath, streamPage } from "../src/console/paths";
import {
  ffmpegLine,
  hostPart,
  larixLink,
  type Place,
  rtmpServer,
  rtmpUrl,
  streamKey,
  webBase,
  whipUrl,
} from "../src/lib/addresses";
import { copyBySelection, copyText } from "../src/lib/clipboard";
import { ago, bitrate, bytes, frameRate, pathOf, runningTime } from "../src/lib/format";
import { byName, nameProblem } from "../src/lib/name";
import { obsBasicIni, obsEncoder, obsProfile, obsService, profileName } from "../src/lib/obs";
import { crc32, zip } from "../src/lib/zip";

const place: Place = {
  host: "192.168.1.20",
  app: "live",
  stream: "show",
  name: "live/show",
  rtmpPort: 1935,
  rtmpsPort: 0,
  httpPort: 8080,
  httpsPort: 0,
};

describe("numbers for people", () => {
  it.each([
    [0, "0 kbit/s"],
    [162_400, "162 kbit/s"],
    [999_400, "999 kbit/s"],
    [999_600, "1 Mbit/s"],
    [2_650_000, "2.65 Mbit/s"],
    [26_540_000, "26.5 Mbit/s"],
    [412_000_000, "412 Mbit/s"],
    [2_650_000_000, "2.65 Gbit/s"],
    [undefined, "0 kbit/s"],
    [-5, "0 kbit/s"],
  ])("bitrate %s", (n, want) => expect(bitrate("en", n)).toBe(want));

  it("bytes", () => {
    expect(bytes("en", 0)).toBe("0 B");
    expect(bytes("en", 1536)).toBe("1.5 KiB");
    expect(bytes("en", 180e9)).toBe("168 GiB");
  });

  it("times", () => {
    expect([0, 62, 3723, 90_061].map(runningTime)).toEqual(["0:00", "1:02", "1:02:03", "25:01:01"]);
    const now = Date.UTC(2026, 10, 22);
    expect(ago("en", now - 180_000, now)).toBe("3 min. ago");
    expect(ago("zh-CN", now - 180_000, now)).toBe("3 分钟前");
    expect(ago("en", now - 2 * 86_400_000, now)).toBe("2 days ago");
  });

  it("frame rates", () => {
    expect(frameRate("en", 29.970_03)).toBe("29.97");
    expect(frameRate("en", 30.000_001)).toBe("30");
  });
});

describe("addresses", () => {
  it("split as OBS wants them", () => {
    expect(rtmpServer(place)).toBe("rtmp://192.168.1.20/live");
    expect(streamKey(place, "wk_a b")).toBe("show?key=wk_a%20b");
    expect(rtmpServer({ ...place, rtmpPort: 1940 })).toBe("rtmp://192.168.1.20:1940/live");
    expect(rtmpServer({ ...place, rtmpsPort: 1936 }, true)).toBe("rtmps://192.168.1.20:1936/live");
  });
  it("bracket IPv6 and escape other letters", () => {
    expect(hostPart("fe80::1")).toBe("[fe80::1]");
    expect(hostPart("[fe80::1]")).toBe("[fe80::1]");
    expect(pathOf("直播/a b")).toBe("%E7%9B%B4%E6%92%AD/a%20b");
    expect(rtmpUrl({ ...place, host: "::1" }, "k")).toBe("rtmp://[::1]/live/show?key=k");
  });
  it("prefer https for the web", () => {
    expect(webBase(place)).toBe("http://192.168.1.20:8080");
    expect(webBase({ ...place, httpsPort: 8443 })).toBe("https://192.168.1.20:8443");
    expect(whipUrl({ ...place, httpPort: 80 })).toBe("http://192.168.1.20/live/show/whip");
  });
  it("fit into Larix's link and a shell", () => {
    const link = larixLink(place, "k&1");
    const q = new URLSearchParams(link.slice(link.indexOf("?")));
    expect(q.get("conn[][url]")).toBe("rtmp://192.168.1.20/live/show?key=k%261");
    expect(link).not.toContain("+");
    expect(ffmpegLine(place, "k")).toContain('"rtmp://192.168.1.20/live/show?key=k"');
  });
});

describe("stream pages", () => {
  it.each(["live", "live/show", "a/b/c/d", "直播/演示", "live/publish", "publish"])("%s", (name) => {
    expect(readStreamPath(`/console${streamPage(name)}`)).toEqual({ name, page: "stream" });
    expect(readStreamPath(`/console${publishPath(name)}`)).toEqual({ name, page: "publish" });
  });
  it("also reads escaped slashes", () => {
    expect(readStreamPath("/console/live/live%2Fshow/publish")).toEqual({
      name: "live/show",
      page: "publish",
    });
    expect(readStreamPath("/console/live/%E0%A4%A")).toBeUndefined();
    expect(readStreamPath("/console/live/")).toBeUndefined();
  });
});

describe("stream names", () => {
  it.each([
    ["live/show", undefined],
    ["直播/演示-1", undefined],
    ["", "empty"],
    ["a/b/c/d/e", "deep"],
    ["a//b", "char"],
    ["a/..", "char"],
    ["a b", "char"],
    ["api/x", "reserved"],
    ["live/whip", "reserved"],
    ["live/stream.flv", "reserved"],
    ["live/x.m3u8", "reserved"],
  ])("%s", (name, want) => expect(nameProblem(name)).toBe(want));
});

describe("OBS profile", () => {
  const target = { kind: "rtmp", server: "rtmp://h/live", key: "show?key=K" } as const;

  it("names server and key as OBS does", () => {
    expect(obsService(target)).toEqual({
      type: "rtmp_custom",
      settings: { server: "rtmp://h/live", key: "show?key=K", use_auth: false },
    });
    expect(obsService({ ...target, kind: "whip" })).toMatchObject({ type: "whip_custom" });
  });
  it("sets the key frame interval to 2 s and B-frames to what the way can carry", () => {
    expect(obsEncoder(target)).toMatchObject({ keyint_sec: 2, bf: 2, profile: "high" });
    expect(obsEncoder({ ...target, kind: "whip" })).toMatchObject({ bf: 0 });
    expect(obsBasicIni("P")).toContain("Mode=Advanced");
  });
  it("is a whole archive with three files", () => {
    const bytes = obsProfile("live/show", target, new Date(2026, 10, 22));
    const text = new TextDecoder("latin1").decode(bytes);
    for (const f of ["basic.ini", "service.json", "streamEncoder.json"])
      expect(text.split(`Weir_live_show/${f}`)).toHaveLength(3); // once before the data, once in the index
    expect(profileName("直播/a b")).toBe("Weir_直播_a_b");
  });
});

describe("zip", () => {
  it("sums as everybody does", () => {
    expect(crc32(new TextEncoder().encode("123456789"))).toBe(0xcbf43926);
  });
  it("points from the index to each entry", () => {
    const out = zip({ "a.txt": "one", "b/c.txt": "two" }, new Date(2026, 0, 2, 3, 4, 6));
    const v = new DataView(out.buffer);
    const end = out.length - 22;
    expect(v.getUint32(end, true)).toBe(0x06054b50);
    expect(v.getUint16(end + 10, true)).toBe(2);
    let at = v.getUint32(end + 16, true);
    for (const want of ["one", "two"]) {
      expect(v.getUint32(at, true)).toBe(0x02014b50);
      const local = v.getUint32(at + 42, true);
      expect(v.getUint32(local, true)).toBe(0x04034b50);
      const data = local + 30 + v.getUint16(local + 26, true);
      expect(new TextDecoder().decode(out.slice(data, data + v.getUint32(local + 18, true)))).toBe(want);
      at += 46 + v.getUint16(at + 28, true);
    }
  });
});

describe("clipboard", () => {
  afterEach(() => {
    vi.unstubAllGlobals();
    vi.restoreAllMocks();
    document.body.replaceChildren();
  });

  it("uses the old way on plain http", async () => {
    let copied = "";
    vi.stubGlobal("isSecureContext", false);
    document.execCommand = vi.fn(() => {
      copied = document.querySelector("textarea")?.value ?? "";
      return true;
    });
    expect(await copyText("rtmp://h/live")).toBe(true);
    expect(copied).toBe("rtmp://h/live");
    expect(document.querySelector("textarea")).toBeNull();
  });
  it("falls back when the permission is refused", async () => {
    vi.stubGlobal("isSecureContext", true);
    vi.stubGlobal("navigator", { clipboard: { writeText: () => Promise.reject(new Error("denied")) } });
    document.execCommand = vi.fn(() => true);
    expect(await copyText("x")).toBe(true);
    expect(document.execCommand).toHaveBeenCalledWith("copy");
  });
  it("says so when nothing works, and gives the focus back", () => {
    document.execCommand = vi.fn(() => {
      throw new Error("no");
    });
    const button = document.createElement("button");
    document.body.append(button);
    button.focus();
    expect(copyBySelection("x")).toBe(false);
    expect(document.activeElement).toBe(button);
  });
});

describe("API client", () => {
  afterEach(() => vi.unstubAllGlobals());
  const answer = (status: number, body: unknown, type = "application/json") =>
    vi.stubGlobal(
      "fetch",
      vi.fn(async () => new Response(JSON.stringify(body), { status, headers: { "Content-Type": type } })),
    );

  it("turns a problem into a code and sentences", async () => {
    answer(403, { code: "key_wrong", detail: "Wrong.", remedy: "Copy it." }, "application/problem+json");
    const e = await call("GET", "/x").catch((x) => x as ApiError);
    expect(e).toMatchObject({ status: 403, code: "key_wrong", message: "Wrong.", remedy: "Copy it." });
  });
  it("names a server that is not there", async () => {
    vi.stubGlobal(
      "fetch",
      vi.fn(() => Promise.reject(new TypeError("failed"))),
    );
    await expect(call("GET", "/x")).rejects.toMatchObject({ code: "unreachable", status: 0 });
  });
  it("treats what is missing as an answer", async () => {
    answer(404, { code: "stream_unknown" }, "application/problem+json");
    expect(await maybe(call("GET", "/x"))).toBeNull();
  });
  it("follows cursors", async () => {
    const pages = [{ items: [1, 2], next_cursor: "c" }, { items: null }];
    vi.stubGlobal(
      "fetch",
      vi.fn(
        async () =>
          new Response(JSON.stringify(pages.shift()), { headers: { "Content-Type": "application/json" } }),
      ),
    );
    expect(await list("/x?limit=2")).toEqual([1, 2]);
    expect(vi.mocked(fetch).mock.calls.map((c) => c[0])).toEqual([
      "/api/v1/x?limit=2",
      "/api/v1/x?limit=2&cursor=c",
    ]);
  });
  it("writes curl without the secret", () => {
    const line = asCurl("POST", "/pushes", { url: "it's" }, "http://h");
    expect(line).toBe(
      `curl -sS -X POST -H "Authorization: Bearer $WEIR_TOKEN" -H "Content-Type: application/json" -d '{"url":"it'\\''s"}' "http://h/api/v1/pushes"`,
    );
  });
});

describe("lists by name", () => {
  it("count as people do", () => {
    const names = [
      "live/cam-10",
      "live/cam-2",
      "live/Cam-1",
      "live/cam-02",
      "gate/1",
      "live/晚会10",
      "live/晚会9",
    ];
    const sorted = byName(names.map((name) => ({ name }))).map((x) => x.name);
    expect(sorted.indexOf("live/cam-2")).toBeLessThan(sorted.indexOf("live/cam-10"));
    expect(sorted.indexOf("live/Cam-1")).toBeLessThan(sorted.indexOf("live/cam-2"));
    expect(sorted.indexOf("live/晚会9")).toBeLessThan(sorted.indexOf("live/晚会10"));
    expect(sorted[0]).toBe("gate/1");
    expect(sorted).toHaveLength(names.length);
  });
});
