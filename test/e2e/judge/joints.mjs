// Plays several addresses in one browser, a page each, at a rate, until their ends or for limit seconds, and prints the counters
// that were seen as a JSON list.
// node joints.mjs '{"rate":2,"limit":60,"jobs":[{"engine":"hls.js","url":"http://…"}]}'
import { launch, servePage } from "./browser.mjs";

const { rate, limit, jobs } = JSON.parse(process.argv[2]);
const page = await servePage();
const browser = await launch();

/** Plays until the end, or until nothing has moved for 12 s. */
async function play(job) {
  const tab = await browser.newPage();
  tab.on("console", (m) => { if (process.env.JUDGE_LOG) console.error(job.engine, m.text()); });
  await tab.goto(page.url);
  await tab.waitForFunction(() => window.start);
  await tab.evaluate((j) => window.start(j), job);
  await tab.waitForFunction(() => window.judge.first || window.judge.errors.length, null, { timeout: 30000 }).catch(() => {});
  return tab.evaluate(async ([rate, limit]) => {
    const video = document.querySelector("video");
    const began = Date.now(), start = video.currentTime;
    let moved = began;
    for (let at = -1; !video.ended && !window.judge.errors.length && Date.now() - moved < 12000 && Date.now() - began < limit * 1000;) {
      // dash.js may leave out its first Period when it is hurried before it plays.
      if (video.playbackRate !== rate && video.currentTime > start + 0.5) video.playbackRate = rate;
      if (video.currentTime !== at) moved = Date.now();
      at = video.currentTime;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    const buffered = [];
    for (let i = 0; i < video.buffered.length; i++) buffered.push([video.buffered.start(i), video.buffered.end(i)]);
    return {
      errors: window.judge.errors, ended: video.ended, at: video.currentTime, duration: video.duration, buffered,
      counters: window.judge.marks.map((m) => m[0]), events: window.judge.events.slice(-40),
    };
  }, [rate, limit]);
}

try {
  const all = await Promise.all(jobs.map(async (job) => ({ engine: job.engine, url: job.url, ...(await play(job)) })));
  console.log(JSON.stringify(all));
} finally {
  await browser.close();
  page.close();
}
