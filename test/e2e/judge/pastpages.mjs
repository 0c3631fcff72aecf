// The owner at the pages of the past: lets retention have the footage of one stream, and sends a range of another out live.
import { hear, job, person, pictures, scene, seen, tell } from "./ui.mjs";

await scene(async (browser) => {
  const owner = await person(browser);
  const page = await owner.newPage();
  await page.goto(job.link);
  await page.waitForURL("**/console/**");

  await page.goto(`${job.base}/console/storage`);
  const held = page.locator(".heldlist li");
  await held.nth(1).waitFor();
  tell("held", { names: await held.locator("a").allInnerTexts() });
  await page.getByRole("button", { name: `Release ${job.release}`, exact: true }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Release it to retention" }).click();
  await held.first().waitFor({ state: "detached" });
  tell("released");
  await hear();

  await page.goto(`${job.base}/console/timelines/${job.of}`);
  await pictures(page, 5, 40_000);
  await page.getByRole("button", { name: "Mark a range" }).click();
  await page.getByRole("button", { name: "Replay as a live stream" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name of the new stream").fill(job.as);
  await dialog.getByLabel("Begin again at the end").check();
  await dialog.getByRole("button", { name: "Start the replay" }).click();
  const link = page.getByRole("link", { name: job.as, exact: true });
  await link.waitFor();
  tell("started");
  await hear();

  await link.click();
  await page.waitForURL(`**/console/live/${job.as}`);
  await pictures(page, 30, 40_000);
  tell("seen", { marks: (await seen(page)).marks });
  await page.goto(`${job.base}/console/timelines`);
  await page.getByRole("button", { name: `Stop ${job.as}`, exact: true }).click();
  await link.and(page.locator(".relay a")).waitFor({ state: "detached" });
  tell("stopped");
});
