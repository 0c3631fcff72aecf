// What all judges share: Chromium, a small server for the judge's own page, and the sums over the marks.
import { createReadStream, existsSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const here = fileURLToPath(new URL(".", import.meta.url));
const reader = join(here, "../../../internal/testpattern/reader.js");
const types = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css" };

/** Serves the judge's page, the engines and the reader on a port of its own. */
export async function servePage() {
  const server = createServer((req, res) => {
    const path = normalize(new URL(req.url, "http://x").pathname);
    const file = path === "/reader.js" ? reader : join(here, path === "/" ? "page.html" : path);
    if (!file.startsWith(here) && file !== reader) return void res.writeHead(403).end();
    if (!existsSync(file)) return void res.writeHead(404).end();
    res.writeHead(200, { "Content-Type": types[extname(file)] ?? "application/octet-stream" });
    createReadStream(file).pipe(res);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${server.address().port}/`, close: () => server.close() };
}

export function launch(extra = []) {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: [
      "--no-sandbox", "--autoplay-policy=no-user-gesture-required", "--mute-audio", "--disable-quic", "--no-first-run",
      "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-background-timer-throttling",
      "--disable-renderer-backgrounding", ...extra,
    ],
  });
}

const rank = (sorted, p) => (sorted.length ? sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * p))] : 0);

/** Sums up marks ([counter, sentMs, seenMs]) after the first `settle` ms. */
export function sum(marks, settle = 0) {
  const from = marks.length ? marks[0][2] + settle : 0;
  const used = marks.filter((m) => m[2] >= from);
  const latencies = used.map((m) => m[2] - m[1]).sort((a, b) => a - b);
  const counters = new Set(used.map((m) => m[0]));
  const list = [...counters].sort((a, b) => a - b);
  const span = list.length ? list[list.length - 1] - list[0] + 1 : 0;
  let gap = 0;
  for (let i = 1; i < used.length; i++) gap = Math.max(gap, used[i][2] - used[i - 1][2]);
  return {
    presented: counters.size, span, share: span ? counters.size / span : 0, longest_gap_ms: gap,
    latency_p50_ms: rank(latencies, 0.5), latency_p95_ms: rank(latencies, 0.95), latency_max_ms: latencies.at(-1) ?? 0,
  };
}
