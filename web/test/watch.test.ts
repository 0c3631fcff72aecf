import { afterEach, expect, it, vi } from "vitest";
import { publicList } from "../src/watch/List";

afterEach(() => vi.unstubAllGlobals());

it("lists more streams than one page holds", async () => {
  const asked: string[] = [];
  vi.stubGlobal("fetch", async (url: string) => {
    asked.push(url);
    const body = url.endsWith("/session")
      ? { signed_in: false }
      : url.includes("cursor=b")
        ? { items: [{ name: "live/2" }] }
        : { items: [{ name: "live/1" }], next_cursor: "b" };
    return new Response(JSON.stringify(body), { headers: { "Content-Type": "application/json" } });
  });
  expect((await publicList()).map((s) => s.name)).toEqual(["live/1", "live/2"]);
  expect(asked.slice(1)).toEqual(["/api/v1/watch?limit=200", "/api/v1/watch?limit=200&cursor=b"]);
});
