// What a stranger meets: the server goes while pages are open and returns, a stream wants a key, the session ends elsewhere.
import { job, hear, person, pictures, scene, seen, tell } from "./ui.mjs";

const player = (page) =>
  page.evaluate(() => {
    const p = document.querySelector("weir-player");
    return { phase: p.view?.phase, engine: p.engine?.name, code: p.view?.error?.code, text: p.shadowRoot.querySelector(".stage").innerText };
  });
const phase = (page, wanted) => page.waitForFunction((w) => document.querySelector("weir-player")?.view?.phase === w, wanted);

/** A frame and a stream of sound alone, as somebody sees them who reads Chinese. */
async function reader(browser) {
  const page = await (await person(browser, { lang: "zh-CN" })).newPage();
  await page.goto(`${job.base}/live/show/embed`);
  await phase(page, "playing");
  const frame = await player(page);
  await page.goto(`${job.base}/live/sound?mode=whep`);
  await phase(page, "playing");
  tell("read", { frame, lang: await page.evaluate(() => document.documentElement.lang), sound: await player(page) });

  await page.goto(`${job.base}/private/show`);
  await phase(page, "error");
  const locked = await player(page);
  const key = page.locator("weir-player").getByRole("textbox");
  await key.fill(job.key);
  await key.press("Enter");
  await pictures(page, 1);
  tell("unlocked", { locked, marks: (await seen(page)).marks.length });
  await page.goto(`${job.base}/login/once?token=weir_once_used`);
  await page.locator("input[type=password]").waitFor();
  tell("refused", { text: await page.getByRole("alert").innerText() });
  await page.close();
}

await scene(async (browser) => {
  const context = await person(browser);
  const page = await context.newPage();
  await page.goto(job.base + job.link);
  await context.request.put(`${job.base}/api/v1/session/password`, { data: { password: "a long password" } });
  await reader(browser);
  const noise = [];
  page.on("console", (m) => m.type() === "error" && noise.push(`${m.text()} ${m.location().url}`));
  page.on("pageerror", (e) => noise.push(String(e)));
  await page.goto(`${job.base}/console/live`);
  await page.waitForFunction(() => document.querySelectorAll(".thumb img").length > 1); // one of them is the stream of keys
  for (const at of ["/console/live/live/nothing", "/console/live/live/nothing/publish", "/console/live"]) {
    await page.goto(job.base + at);
    await page.waitForTimeout(1500); // they ask each second
  }
  tell("quiet", { noise: [...noise] });
  await hear(); // the server is gone
  const away = page.getByText("The server does not answer");
  await away.waitFor();
  await page.getByRole("link", { name: "Recordings" }).click(); // its code was never fetched
  tell("away");
  await hear(); // and back
  await page.locator("h1", { hasText: "Recordings" }).waitFor();
  await away.waitFor({ state: "hidden" });
  tell("back");
  const other = await context.newPage();
  await other.goto(`${job.base}/console/live`);
  await other.request.delete(`${job.base}/api/v1/session`);
  await page.locator("input[type=password]").waitFor();
  tell("out", { at: new URL(page.url()).pathname });
});
