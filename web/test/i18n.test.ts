import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import en from "../src/i18n/en.json";
import playerEn from "../src/i18n/player.en.json";
import playerZh from "../src/i18n/player.zh-CN.json";
import { serverText } from "../src/i18n/server";
import server from "../src/i18n/server.zh-CN.json";
import zh from "../src/i18n/zh-CN.json";

type Tree = { [key: string]: string | Tree };

function flat(tree: Tree, under = ""): Map<string, string> {
  const out = new Map<string, string>();
  for (const [key, value] of Object.entries(tree)) {
    const path = under ? `${under}.${key}` : key;
    if (typeof value === "string") out.set(path, value);
    else for (const [k, v] of flat(value, path)) out.set(k, v);
  }
  return out;
}

const places = (text: string) => [...text.matchAll(/\{\{(\w+)\}\}/g)].map((m) => m[1]).sort();

// Names of protocols and products, which are the same in every language.
const same =
  /^(publish\.tab\.(obs|ffmpeg|vmix|gstreamer)|protocol\.|engine\.|vmix\.key|sheet\.framesValue|diskText)/;

/** Half-width marks between Chinese words; a path of menus or a command keeps its own. */
const halfWidth = /[\u4e00-\u9fff][,:;?!()]|[,;?!()][\u4e00-\u9fff]/;

describe.each([
  ["console", en as Tree, zh as Tree],
  ["player", playerEn as Tree, playerZh as Tree],
])("%s strings", (_name, english, chinese) => {
  const a = flat(english);
  const b = flat(chinese);

  it("exist in both languages", () => {
    expect([...b.keys()].filter((k) => !a.has(k))).toEqual([]);
    expect([...a.keys()].filter((k) => !b.has(k))).toEqual([]);
  });

  it("are translated, not copied", () => {
    expect(
      [...a].filter(
        ([k, v]) => b.get(k) === v && !same.test(k) && /[a-z]{3}/i.test(v.replace(/\{\{\w+\}\}/g, "")),
      ),
    ).toEqual([]);
  });

  it("fill the same places", () => {
    for (const [k, v] of a) expect(places(b.get(k) ?? ""), k).toEqual(places(v));
  });

  it("use full-width marks and the glossary in Chinese", () => {
    const banned = ["比特率", "串流", "您", "警报", "小编"];
    for (const [k, v] of b) {
      expect(v, k).not.toMatch(halfWidth);
      for (const word of banned) expect(v, k).not.toContain(word);
    }
  });

  it("keep the tone in English", () => {
    for (const [k, v] of a) {
      expect(v, k).not.toMatch(/!|\b(oops|please|sorry)\b/i);
    }
  });
});

function sources(dir: string): string {
  let out = "";
  for (const e of readdirSync(dir, { withFileTypes: true })) {
    const path = join(dir, e.name);
    if (e.isDirectory()) out += sources(path);
    else if (/\.tsx?$/.test(e.name)) out += readFileSync(path, "utf8");
  }
  return out;
}

describe("keys in the code", () => {
  const root = join(import.meta.dirname, "../src");
  const outside = ["console", "watch", "lib"].map((d) => sources(join(root, d))).join("\n");
  const inside = sources(join(root, "player"));

  const base = (k: string) => k.replace(/_(one|other)$/, "");

  it.each([
    ["console", outside, new Set([...flat(en as Tree).keys()].map(base))],
    ["player", inside, new Set(flat(playerEn as Tree).keys())],
  ])("%s: every literal key exists, and every string is used", (_name, code, known) => {
    const literal = [...code.matchAll(/\bt\(\s*"([\w.-]+)"/g)].map((m) => m[1] ?? "");
    expect([...new Set(literal)].filter((k) => !known.has(k))).toEqual([]);
    // Built keys: `state.${x}` uses all of state.*, and `x ? "a.b" : "a.c"` names keys bare.
    const prefixes = [...code.matchAll(/`([\w.-]+\.)\$\{/g)].map((m) => m[1] ?? "");
    const quoted = new Set([...code.matchAll(/"([\w.-]+)"/g)].map((m) => m[1] ?? ""));
    const dynamic = /^(pull|push)\.(add|text)$/; // `${key}.add`
    const unused = [...known].filter(
      (k) => !quoted.has(k) && !prefixes.some((p) => k.startsWith(p)) && !dynamic.test(k),
    );
    expect(unused).toEqual([]);
  });
});

describe("reasons of the player", () => {
  it("have words for everything that ends an engine", () => {
    const codes = [...sources("src/player").matchAll(/EngineError\(\s*"(\w+)"/g)].map((m) => m[1] ?? "");
    expect(codes.length).toBeGreaterThan(10);
    const known = flat(playerEn as Tree);
    // "stopped" is the viewer's own doing.
    expect(codes.filter((c) => c !== "stopped" && !known.has(`reason.${c}`))).toEqual([]);
  });
});

describe("sentences of the server", () => {
  const said = { message: "Key frames every 10 s.", remedy: "Set it to 2 s." };
  it("stay as they are in English", () => {
    expect(serverText("en", "key_frames_far_apart", said, { seconds: 10 })).toBe(said);
  });
  it("are written by code in Chinese", () => {
    const zhSaid = serverText("zh-CN", "key_frames_far_apart", said, { seconds: 10 });
    expect(zhSaid.message).toContain("10 秒");
  });
  it("keep the server's words where the code or a value is unknown", () => {
    expect(serverText("zh-CN", "no_such_code", said)).toBe(said);
    expect(serverText("zh-CN", "key_frames_far_apart", said, {})).toBe(said);
  });
  it("know every finding of the health verdict", () => {
    const go = readFileSync(join(import.meta.dirname, "../../internal/health/words.go"), "utf8");
    const codes = [...go.matchAll(/^\tcase "(\w+)":/gm)].map((m) => m[1] ?? "");
    expect(codes.length).toBeGreaterThan(10);
    expect(codes.filter((c) => !(c in server))).toEqual([]);
    // A place that the server never fills would keep the sentence English for ever.
    for (const c of codes) {
      const said = (server as Record<string, { message: string }>)[c]?.message ?? "";
      for (const p of places(said)) expect(go, c).toContain(`"${p}":`);
    }
  });
  it("use full-width marks", () => {
    for (const [code, s] of Object.entries(server as Record<string, { message: string; remedy?: string }>))
      for (const text of [s.message, s.remedy ?? ""]) expect(text, code).not.toMatch(halfWidth);
  });
});
