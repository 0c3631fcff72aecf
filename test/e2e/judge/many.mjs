// Plays several addresses in one browser, a page each, until standard input ends; prints "ready" when each shows pictures, and
// at the end what was seen as a JSON list. A gap is a time without a new picture: [when it began, how long it was], in ms.
// node many.mjs '[{"engine":"hls.js","url":"http://…","low":true}]'
import { launch, servePage, sum } from "./browser.mjs";

const jobs = JSON.parse(process.argv[2]);
const page = await servePage();
const browser = await launch();
const ended = new Promise((resolve) => { process.stdin.resume(); process.stdin.on("end", resolve); process.stdin.on("close", resolve); });
try {
  const tabs = await Promise.all(jobs.map(async () => {
    const tab = await browser.newPage();
    await tab.goto(page.url);
    await tab.waitForFunction(() => window.start);
    return tab;
  }));
  // One after another: players of one address and software that begin at the same moment are one viewer to the server.
  const began = [];
  for (const [i, tab] of tabs.entries()) {
    const goesOn = tab.waitForRequest((r) => /\.m3u8\?|\.m4s|\.mp4/.test(r.url()), { timeout: 25000 }).catch(() => {});
    began.push(tab.evaluate((j) => window.start(j), jobs[i]));
    await goesOn;
  }
  await Promise.all(began);
  await Promise.all(tabs.map((tab) => tab.waitForFunction(() => window.judge.first || window.judge.errors.length, null, { timeout: 25000 }).catch(() => {})));
  console.log("ready");
  await ended;
  const all = [];
  for (const [i, tab] of tabs.entries()) {
    const seen = await tab.evaluate(() => ({ ...window.judge, now: Date.now() }));
    const gaps = [];
    seen.marks.push([0, 0, seen.now]); // a player that stands still at the end has a gap too
    for (let k = 1; k < seen.marks.length; k++) {
      const length = seen.marks[k][2] - seen.marks[k - 1][2];
      if (length > 500) gaps.push([seen.marks[k - 1][2], length]);
    }
    seen.marks.pop();
    all.push({ engine: jobs[i].engine, url: jobs[i].url, errors: seen.errors, gaps, ...sum(seen.marks), requests: [], events: seen.events.slice(-80) });
  }
  console.log(JSON.stringify(all));
} finally {
  await browser.close();
  page.close();
}
