// The Copy-into-OBS page beside an encoder: its buttons, and every colour of the strip with the moment it came.
import { hear, job, pasted, person, scene, tell } from "./ui.mjs";

await scene(async (browser) => {
  const context = await person(browser, { lang: job.lang });
  const page = await context.newPage();
  await page.goto(job.link);
  await page.goto(new URL(`/console/live/${job.name}/publish`, job.link).href);
  const strip = page.getByTestId("strip");
  await strip.waitFor();
  await page.evaluate(() => {
    const node = document.querySelector("[data-testid=strip]");
    const list = (window.weirStrip = []);
    const note = () => {
      const [state, text] = [node.dataset.state, node.innerText];
      if (list.at(-1)?.state !== state) list.push({ state, text, at_ms: Date.now() });
      else list.at(-1).text = text;
    };
    note();
    new MutationObserver(note).observe(node, { attributes: true, childList: true, subtree: true, characterData: true });
  });
  const copy = async (id) => {
    await page.getByTestId(`copy-${id}`).click();
    const text = await pasted(context, page);
    return { text, shown: await page.getByTestId(`${id}-value`).innerText() };
  };
  const server = await copy("server");
  const key = await copy("key");
  await page.getByTestId("reveal-key").click();
  const until = Date.now() + 5000;
  let revealed = "";
  while (Date.now() < until && revealed !== key.text) revealed = await page.getByTestId("key-value").innerText();
  tell("copied", { server, key, revealed, secure: await page.evaluate(() => isSecureContext) });
  for (;;) {
    const [what, state, ms] = (await hear()).split(" ");
    if (what === "end") break;
    if (what === "until") await page.waitForFunction((s) => document.querySelector("[data-testid=strip]").dataset.state === s, state, { timeout: Number(ms), polling: 50 }).catch(() => undefined);
    tell("strip", { seen: await page.evaluate(() => window.weirStrip) });
  }
});
