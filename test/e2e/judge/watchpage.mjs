// The watch page in each mode: what it really shows, read from the picture.
import { sum } from "./browser.mjs";
import { job, person, pictures, scene, seen, tell } from "./ui.mjs";

await scene(async (browser) => {
  const context = await person(browser, { lang: "en", height: 900 });
  for (const mode of job.modes) {
    const page = await context.newPage();
    const opened = Date.now();
    await page.goto(`${job.url}?mode=${mode}`);
    await pictures(page, 1, 30_000);
    const first_ms = Date.now() - opened;
    await page.waitForTimeout(job.settle_ms); // what comes before is the start
    const before = await seen(page);
    await page.waitForTimeout(job.seconds * 1000);
    const after = await seen(page);
    const player = await page.evaluate(() => {
      const p = document.querySelector("weir-player");
      return { engine: p.engine?.name, phase: p.view?.phase, waiting: window.weirSeen.waiting, skipped: p.view?.skipped };
    });
    tell("watched", {
      mode, first_ms, ...player, waiting: after.waiting - before.waiting, media_s: after.media_s - before.media_s,
      unreadable: after.unreadable - before.unreadable, ...sum(after.marks.slice(before.marks.length)),
    });
    await page.close();
  }
});
