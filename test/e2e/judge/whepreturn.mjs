// The watch page over WebRTC while the publisher comes back in another form: every gap between pictures over 300 ms, in ms, as
// [when it began, how long it was], and whether the page went on by WebRTC. The test says when it is over.
import { hear, job, person, pictures, scene, tell } from "./ui.mjs";

await scene(async (browser) => {
  const context = await person(browser, { lang: "en", height: 900 });
  const page = await context.newPage();
  const posts = [];
  page.on("response", (r) => { if (r.request().method() === "POST" && r.url().includes("/whep")) posts.push([Date.now(), r.status()]); });
  await page.goto(`${job.url}?mode=whep`);
  await pictures(page, 30, 30_000);
  tell("playing");
  await hear();
  const seen = await page.evaluate(() => {
    window.weirEyes();
    const p = document.querySelector("weir-player");
    return { marks: window.weirSeen.marks, engine: p.engine?.name, phase: p.view?.phase };
  });
  const gaps = [];
  for (let i = 1; i < seen.marks.length; i++) {
    const length = seen.marks[i][2] - seen.marks[i - 1][2];
    if (length > 300) gaps.push([seen.marks[i - 1][2], length]);
  }
  tell("watched", { engine: seen.engine, phase: seen.phase, gaps, posts, last_ms: seen.marks.at(-1)[2] });
});
