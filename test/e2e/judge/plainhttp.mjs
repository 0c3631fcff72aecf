// Console and watch page from a plain-http address of another machine, where browsers take away clipboard and camera.
import { job, pasted, person, pictures, scene, seen, tell } from "./ui.mjs";

await scene(async (browser) => {
  const context = await person(browser, { lang: job.lang });
  const page = await context.newPage();
  await page.goto(job.link);
  await page.getByText(job.words.banner).waitFor();
  tell("origin", await page.evaluate(() => ({
    origin: location.origin, secure: isSecureContext, clipboard: "clipboard" in navigator && Boolean(navigator.clipboard), camera: Boolean(navigator.mediaDevices),
  })));

  await page.goto(`${job.base}/console/live/${job.name}/publish`);
  const copied = {};
  for (const id of ["server", "key"]) {
    await page.getByTestId(`copy-${id}`).click();
    copied[id] = { text: await pasted(context, page), shown: await page.getByTestId(`${id}-value`).innerText() };
  }
  tell("copied", copied);

  await page.getByRole("tab", { name: job.words.browser }).click();
  const camera = page.getByRole("button", { name: job.words.camera });
  await camera.waitFor();
  tell("camera", { disabled: await camera.isDisabled(), text: await page.getByRole("tabpanel").innerText() });

  for (const mode of job.modes) {
    await page.goto(`${job.base}/${job.name}?mode=${mode}`);
    await pictures(page, 60, 30_000);
    const { marks } = await seen(page);
    const engine = await page.evaluate(() => document.querySelector("weir-player").engine?.name);
    tell("played", { mode, engine, from: marks[0][0], to: marks.at(-1)[0], marks: marks.length });
  }
  await page.getByRole("button", { name: job.words.copyLink }).click();
  tell("link", { text: await pasted(context, page) });
});
