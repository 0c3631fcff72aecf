// The first minute: the printed link, the test source, the password, and a second browser elsewhere.
import { hear, job, person, pictures, scene, seen, tell } from "./ui.mjs";

const { words } = job;

await scene(async (browser) => {
  const here = await person(browser, { lang: job.lang });
  const page = await here.newPage();
  const opened = Date.now();
  await page.goto(job.link);
  await page.getByText(words.banner).waitFor();
  tell("in", { url: page.url(), lang: await page.evaluate(() => document.documentElement.lang), signin_ms: Date.now() - opened });

  const elsewhere = await person(browser, { lang: job.lang });
  const other = await elsewhere.newPage();
  await other.goto(job.link);
  tell("link again", { at: other.url(), text: await other.getByRole("alert").innerText(), cookies: (await elsewhere.cookies()).length });
  await other.goto(new URL("/console", job.link).href);
  await other.getByText(words.useLink).waitFor();

  if (job.note) tell("note", { text: await page.getByText(job.note).locator("xpath=ancestor::*[@role='alert'][1]").innerText() });
  const pressed = Date.now();
  await page.getByRole("button", { name: words.start }).click();
  tell("pressed");
  await pictures(page, 1);
  const first = Date.now() - pressed;
  await hear(); // ffprobe has read the same stream
  await pictures(page, (await seen(page)).marks.length + 30);
  const { marks } = await seen(page);
  tell("picture", { first_ms: first, from: marks[0][0], to: marks.at(-1)[0], since_ms: marks[0][2], until_ms: marks.at(-1)[2] });

  await page.getByRole("button", { name: words.setPassword }).click();
  await page.getByRole("dialog").locator("input[type=password]").fill(job.password);
  await page.getByRole("button", { name: words.save }).click();
  await page.getByText(words.banner).waitFor({ state: "detached" });
  await other.reload();
  await other.locator("input[type=password]").fill("quite another one");
  await other.getByRole("button", { name: words.signIn, exact: true }).click();
  await other.getByRole("alert").waitFor();
  tell("wrong password", { text: await other.getByRole("alert").innerText(), cookies: (await elsewhere.cookies()).length });
  await other.locator("input[type=password]").fill(job.password);
  await other.getByRole("button", { name: words.signIn, exact: true }).click();
  await other.getByRole("heading", { name: words.live, level: 1 }).waitFor();
  tell("signed in elsewhere");
});
