// Plays an address with an engine for some seconds and prints what was seen as JSON.
// node play.mjs '{"engine":"hls.js","url":"http://…","seconds":10,"low":true}'
import { launch, servePage, sum } from "./browser.mjs";

const job = JSON.parse(process.argv[2]);
const page = await servePage();
const browser = await launch();
try {
  const tab = await browser.newPage();
  tab.on("console", (m) => { if (process.env.JUDGE_LOG) console.error(m.text()); });
  await tab.goto(page.url);
  await tab.waitForFunction(() => window.start);
  await tab.evaluate((j) => window.start(j), job);
  const deadline = Date.now() + (job.startup ?? 20) * 1000;
  await tab.waitForFunction(() => window.judge.first || window.judge.errors.length, null, { timeout: deadline - Date.now() }).catch(() => {});
  await tab.evaluate(() => { window.begun = document.querySelector("video").currentTime; });
  await tab.waitForTimeout(job.seconds * 1000);
  const seen = await tab.evaluate(() => {
    const video = document.querySelector("video");
    return { ...window.judge, media_s: video.currentTime - window.begun, dropped: video.getVideoPlaybackQuality().droppedVideoFrames };
  });
  console.log(JSON.stringify({
    engine: job.engine, errors: seen.errors, waiting: seen.waiting, unreadable: seen.unreadable, media_s: seen.media_s, dropped: seen.dropped,
    ...sum(seen.marks, job.settle_ms ?? 0), requests: seen.requests, loaded: seen.loaded, events: seen.events.slice(-60),
  }));
} finally {
  await browser.close();
  page.close();
}
