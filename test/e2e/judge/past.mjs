// Plays an address with an engine through a list of steps and prints, for each step, what was seen as JSON.
// node past.mjs '{"engine":"hls.js","url":"http://…","steps":[{"do":"play","seconds":10},{"do":"back","by":2400},{"do":"live"}]}'
import { launch, servePage, sum } from "./browser.mjs";

const job = JSON.parse(process.argv[2]);
const page = await servePage();
const browser = await launch();

const moves = {
  play() {},
  start() { const v = document.querySelector("video"); v.currentTime = v.seekable.start(0) + 1; },
  to(step) { document.querySelector("video").currentTime = step.by; },
  back(step) { document.querySelector("video").currentTime -= step.by; },
  pause() { document.querySelector("video").pause(); },
  trick(step) { window.engine.trickPlay(step.by, true); },
  normal() { window.engine.cancelTrickPlay(); },
  resume() { return document.querySelector("video").play(); },
  live() {
    const v = document.querySelector("video"), e = window.engine;
    if (v.paused) void v.play();
    if (e.goToLive) e.goToLive();
    else if (e.seekToOriginalLive) e.seekToOriginalLive();
    else v.currentTime = e.liveSyncPosition ?? v.seekable.end(0) - 6;
  },
};

try {
  const tab = await browser.newPage();
  tab.on("console", (m) => { if (process.env.JUDGE_LOG) console.error(m.text()); });
  let keys = 0;
  tab.on("request", (r) => { if (r.url().includes("/key-")) keys++; });
  await tab.goto(page.url);
  await tab.waitForFunction(() => window.start);
  await tab.evaluate((j) => window.start(j), job);
  await tab.waitForFunction(() => window.judge.first || window.judge.errors.length, null, { timeout: 30000 }).catch(() => {});
  const out = [];
  for (const step of job.steps) {
    const before = await tab.evaluate(() => {
      const v = document.querySelector("video");
      return { marks: window.judge.marks.length, waiting: window.judge.waiting, at: v.currentTime, now: Date.now(), events: window.judge.events.length };
    });
    const asked = keys;
    await tab.evaluate(`(${moves[step.do].toString().replace(/^\w+\(/, "function (")})(${JSON.stringify(step)})`);
    if (step.do !== "pause") {
      // The first picture after the move, and then as long as asked.
      await tab.waitForFunction((n) => window.judge.marks.length > n + 3, before.marks, { timeout: 20000 }).catch(() => {});
    }
    const shown = await tab.evaluate((n) => window.judge.marks[n]?.[2] ?? 0, before.marks);
    await tab.waitForTimeout((step.seconds ?? 3) * 1000);
    const seen = await tab.evaluate((b) => {
      const v = document.querySelector("video");
      return {
        marks: window.judge.marks.slice(b.marks), waiting: window.judge.waiting - b.waiting, at: v.currentTime, errors: window.judge.errors,
        events: window.judge.events.slice(b.events).slice(-30), from: v.seekable.length ? v.seekable.start(0) : 0, to: v.seekable.length ? v.seekable.end(0) : 0,
      };
    }, before);
    const marks = seen.marks.slice(step.do === "play" ? 0 : 3); // pictures of the place before may still be on their way
    const lags = marks.map((m) => m[2] - m[1]).sort((a, b) => a - b);
    out.push({
      do: step.do, moved: seen.at - before.at, waiting: seen.waiting, after_ms: shown ? shown - before.now : -1, errors: seen.errors, events: seen.events,
      window_s: seen.to - seen.from, ...sum(marks), behind_s: (lags[Math.floor(lags.length / 2)] ?? 0) / 1000, pictures: marks.length, keys: keys - asked,
      oldest_ms: Math.min(...marks.map((m) => m[1])), newest_ms: Math.max(0, ...marks.map((m) => m[1])),
    });
  }
  console.log(JSON.stringify({ engine: job.engine, steps: out, tracks: await tab.evaluate(() => {
    const e = window.engine;
    if (e?.levels) return e.levels.map((l) => l.url?.[0] ?? String(l.uri));
    if (e?.getVariantTracks) return e.getVariantTracks().map((t) => `${t.videoCodec} ${t.audioCodec} ${t.bandwidth}`);
    return [];
  }) }));
} finally {
  await browser.close();
  page.close();
}
