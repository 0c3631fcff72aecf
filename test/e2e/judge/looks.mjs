// Pictures of every page in every dress, with what can be measured of them: sideways scroll, axe-core, fonts, the counter.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { AxeBuilder } from "@axe-core/playwright";
import { hear, job, person, pictures, scene, tell } from "./ui.mjs";

mkdirSync(job.shots, { recursive: true });

/** What can be drawn of these characters must differ from what stands for "no such character". */
const tofu = () => {
  const draw = (text) => {
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = 64;
    const c = canvas.getContext("2d");
    c.font = `48px ${getComputedStyle(document.body).fontFamily}`;
    c.fillText(text, 4, 52);
    return canvas.toDataURL();
  };
  const missing = draw("\uffff");
  const [weir, push] = [draw("堰"), draw("推")];
  return weir === missing || push === missing || weir === push;
};

const measure = () => {
  const root = document.documentElement;
  const wide = [...document.body.querySelectorAll("*")].filter((n) => n.getBoundingClientRect().right > innerWidth + 1 && getComputedStyle(n).position !== "fixed");
  return {
    scroll: Math.max(root.scrollWidth, document.body.scrollWidth), inner: innerWidth, lang: root.lang,
    wide: root.scrollWidth > innerWidth ? wide.slice(0, 5).map((n) => `${n.tagName}.${n.className}`) : [],
  };
};

async function shoot(page, name, dress) {
  await page.evaluate(() => document.fonts.ready);
  const found = await new AxeBuilder({ page }).analyze();
  const serious = found.violations
    .filter((v) => v.impact === "serious" || v.impact === "critical")
    .map((v) => ({ id: v.id, impact: v.impact, help: v.help, nodes: v.nodes.slice(0, 4).map((n) => `${n.target.flat().join(" ")}: ${n.failureSummary?.split("\n")[1]?.trim()}`) }));
  const file = join(job.shots, `${name}-${dress.lang}-${dress.dark ? "dark" : "light"}-${dress.width}.png`);
  await page.screenshot({ path: file, fullPage: true, animations: "disabled" });
  const mark = await page.evaluate(() => window.weirSeen?.marks.at(-1)?.[0] ?? null);
  tell("shot", { name, dress: `${dress.lang} ${dress.dark ? "dark" : "light"} ${dress.width}`, file, mark, serious, rules: found.passes.length, tofu: await page.evaluate(tofu), ...(await page.evaluate(measure)) });
}

/** The pages: address, and what must be there before the picture is taken. */
const before = [
  { name: "live-empty", at: "/console/live", ready: (p) => p.getByTestId("test-source").waitFor() },
  { name: "signin-link", at: "/console", out: true, ready: (p) => p.locator("code").waitFor() },
];
const playing = (p) => pictures(p, 10, 40_000);
const posters = (p) => p.waitForFunction(() => document.querySelectorAll(".thumb img").length > 0, null, { timeout: 15_000 });
/** The words stand where the picture would be, and what a narrow bar leaves out is behind its three dots. */
const soundAlone = async (p) => {
  await p.locator("weir-player .voice p").waitFor({ timeout: 20_000 });
  const more = p.getByRole("button", { name: /^(More|更多)$/ });
  if (await more.isVisible()) {
    await more.click();
    await p.getByRole("menuitem", { name: /^(Latency|延迟)/ }).waitFor();
    await p.getByRole("menuitem", { name: /^(Playback details|播放信息)$/ }).click();
  } else await p.keyboard.press("i");
  await p.locator("weir-player .sheet dd").first().waitFor();
  await p.keyboard.press("Escape");
  await p.locator("weir-player .sheet").waitFor({ state: "detached" });
};
const after = [
  { name: "signin", at: "/console", out: true, ready: (p) => p.locator("input[type=password]").waitFor() },
  { name: "live", main: true, at: "/console/live", ready: posters },
  { name: "stream", main: true, at: "/console/live/live/show", ready: playing },
  { name: "stream-trouble", at: "/console/live/live/lobby", ready: (p) => p.locator("h1").waitFor() },
  { name: "obs-grey", at: "/console/live/live/new/publish", ready: (p) => p.getByTestId("copy-key").waitFor() },
  { name: "obs-green", main: true, at: "/console/live/live/show/publish", ready: (p) => p.locator("[data-testid=strip][data-state=green]").waitFor() },
  { name: "access", main: true, at: "/console/access", ready: (p) => p.getByText("studio").first().waitFor() },
  { name: "relays", at: "/console/relays", ready: (p) => p.getByText("live/show").first().waitFor() },
  { name: "recordings", main: true, at: "/console/recordings", ready: (p) => p.locator("tbody tr").nth(1).waitFor() },
  { name: "timelines", at: "/console/timelines", ready: (p) => p.locator("tbody tr").first().waitFor() },
  { name: "timeline", main: true, at: "/console/timelines/live/show", ready: playing },
  { name: "storage", at: "/console/storage", ready: (p) => p.locator(".volume").waitFor() },
  { name: "system", at: "/console/system", ready: (p) => p.locator("#disk").waitFor() },
  { name: "watch-list", at: "/", out: true, ready: posters },
  { name: "watch-live", main: true, at: "/live/show", out: true, ready: playing },
  { name: "watch-past", main: true, at: "/live/show?at=-8s", out: true, ready: playing },
  { name: "watch-sound", at: "/live/sound", out: true, ready: soundAlone },
  { name: "watch-away", at: "/live/studio", out: true, ready: (p) => p.waitForFunction(() => document.querySelector("weir-player")?.view?.phase === "waiting") },
  { name: "watch-offline", at: "/live/nothing", out: true, ready: (p) => p.waitForFunction(() => document.querySelector("weir-player")?.view?.phase === "waiting") },
];

async function round(browser, cookies, pages) {
  for (const dress of job.dresses) {
    const phone = dress.width < 600;
    const eyes = { ...dress, phone, height: phone ? 760 : 800, scale: phone ? job.phone_scale : 1 };
    const context = await person(browser, eyes);
    await context.addCookies(cookies);
    const stranger = await person(browser, eyes);
    for (const { name, at, out, ready } of pages.filter((p) => p.main || !dress.main)) {
      const page = await (out ? stranger : context).newPage();
      await page.goto(job.base + at);
      try {
        await ready(page);
      } catch (e) {
        throw new Error(`${name} in ${JSON.stringify(dress)}: ${e}`);
      }
      await page.waitForTimeout(name.startsWith("stream") || name === "live" ? 1500 : 300); // graphs and level lines want some seconds
      await shoot(page, name, dress);
      await page.close();
    }
    await context.close();
    await stranger.close();
  }
}

await scene(async (browser) => {
  const owner = await person(browser);
  const page = await owner.newPage();
  await page.goto(job.link);
  await page.getByTestId("test-source").waitFor();
  const cookies = await owner.cookies();
  await page.close();
  await round(browser, cookies, before);
  tell("empty done");
  await hear();
  const set = await owner.request.put(`${job.base}/api/v1/session/password`, { data: { password: "a long password 堰" } });
  if (!set.ok()) throw new Error(`setting the password: ${set.status()} ${await set.text()}`);
  await round(browser, await owner.cookies(), after);
  tell("all done");
});
