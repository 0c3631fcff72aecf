// Several players at once, each a page of its own: an engine of the judge's or the watch page. Tells, for each, what its
// video element shows and how much sound it has decoded when the test asks.
import { servePage } from "./browser.mjs";
import { hear, job, person, scene, tell } from "./ui.mjs";

await scene(async (browser) => {
  const page = await servePage();
  const context = await person(browser);
  const tabs = [];
  for (const p of job.players) {
    const tab = await context.newPage();
    if (process.env.JUDGE_LOG) tab.on("console", (m) => console.error(p.name, m.text()));
    if (p.page) await tab.goto(p.url);
    else {
      await tab.goto(page.url);
      await tab.waitForFunction(() => window.start);
      await tab.evaluate((j) => window.start(j), p);
    }
    tabs.push([p.name, tab]);
  }
  for (let i = 0; i < job.looks; i++) {
    await hear();
    for (const [name, tab] of tabs) {
      tell("looked", { name, ...(await tab.evaluate(() => {
        const deep = (root) => [...root.querySelectorAll("video"), ...[...root.querySelectorAll("*")].filter((n) => n.shadowRoot).flatMap((n) => deep(n.shadowRoot))];
        const v = deep(document)[0], player = document.querySelector("weir-player");
        const q = v?.getVideoPlaybackQuality();
        return {
          frames: q?.totalVideoFrames ?? 0, sound: v?.webkitAudioDecodedByteCount ?? 0, at: v?.currentTime ?? -1, errors: window.judge?.errors ?? [],
          engine: player?.engine?.name ?? "", phase: player?.view?.phase ?? "", wall: player?.wall ?? 0,
        };
      })) });
    }
  }
  page.close();
});
