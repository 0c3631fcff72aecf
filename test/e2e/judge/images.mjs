// The pictures of the READMEs: the stream page of the running binary with the counter in the picture, once in each language.
import { join } from "node:path";
import { job, person, pictures, scene, tell } from "./ui.mjs";

await scene(async (browser) => {
  const owner = await person(browser);
  const first = await owner.newPage();
  await first.goto(job.link);
  await first.waitForURL("**/console**");
  const set = await owner.request.put(`${job.base}/api/v1/session/password`, { data: { password: "a long password 堰" } });
  if (!set.ok()) throw new Error(`setting the password: ${set.status()} ${await set.text()}`);
  const cookies = await owner.cookies();
  await owner.close();
  for (const { file, ...dress } of job.images) {
    const context = await person(browser, { ...dress, width: 1280, height: 860 });
    await context.addCookies(cookies);
    const page = await context.newPage();
    await page.goto(`${job.base}/console/live/${job.name}`);
    await pictures(page, 60);
    await page.waitForTimeout(3000); // the controls hide, the graphs have come
    await page.mouse.move(5, 850);
    const mark = await page.evaluate(() => window.weirSeen.marks.at(-1)[0]);
    const png = await page.screenshot({ path: join(job.dir, file), animations: "disabled" });
    tell("image", { file, mark, bytes: png.length });
    await context.close();
  }
});
