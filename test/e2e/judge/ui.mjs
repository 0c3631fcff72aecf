// A person at a browser, as the tests of the interface need one: contexts with a language, a colour scheme and a width, the
// marks of the pictures that a page shows, and a conversation with the test in lines of JSON.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { launch } from "./browser.mjs";

const readerText = readFileSync(fileURLToPath(new URL("../../../internal/testpattern/reader.js", import.meta.url)), "utf8");

// Init scripts run outside the page's own policy of scripts, and before it. Marks are [counter, sent, seen] in ms.
const eyes = `${readerText.replace("export function", "function")}
window.weirEyes = () => {
  const deep = (root) => [...root.querySelectorAll("video"), ...[...root.querySelectorAll("*")].filter((n) => n.shadowRoot).flatMap((n) => deep(n.shadowRoot))];
  const video = deep(document).find((v) => !v.hidden && !v.classList.contains("selfview"));
  if (!video || window.weirSeen?.video === video) return Boolean(video);
  const seen = window.weirSeen = { video, marks: [], unreadable: 0, waiting: 0, from: 0 };
  const canvas = document.createElement("canvas");
  const look = () => {
    const mark = video.videoWidth ? readMark(video, canvas) : null;
    if (mark) seen.marks.push([mark.counter, mark.sentMs, Date.now()]); else seen.unreadable++;
    if (window.weirSeen === seen) video.requestVideoFrameCallback(look);
  };
  video.requestVideoFrameCallback(look);
  video.addEventListener("waiting", () => { if (seen.marks.length) seen.waiting++; });
  return true;
};
window.weirMark = (picture) => readMark(picture, document.createElement("canvas"));
`;

export const job = JSON.parse(process.argv[2]);

/** Tells the test something. */
export const tell = (step, more = {}) => console.log(JSON.stringify({ step, at_ms: Date.now(), ...more }));

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

/** Waits for the test's next line. */
export async function hear() {
  const { value, done } = await lines.next();
  if (done) throw new Error("the test said nothing more");
  return value;
}

/** Runs the scene with a browser; what goes wrong is told with a picture of the page. */
export async function scene(play, args = []) {
  const browser = await launch(args);
  try {
    await play(browser);
  } catch (e) {
    const page = browser.contexts().flatMap((c) => c.pages()).at(-1);
    const text = await page?.locator("body").innerText({ timeout: 2000 }).catch(() => "");
    if (job.failure_shot) await page?.screenshot({ path: job.failure_shot, timeout: 5000 }).catch(() => undefined);
    tell("failed", { error: String(e.stack ?? e), url: page?.url(), text });
  } finally {
    await browser.close();
    process.stdin.destroy();
  }
}

/** A browser of its own, as far as cookies and storage go. */
export async function person(browser, { lang = "en", dark = false, width = 1280, height = 800, phone = false, scale = 1 } = {}) {
  const context = await browser.newContext({
    locale: lang, colorScheme: dark ? "dark" : "light", viewport: { width, height }, reducedMotion: "reduce",
    hasTouch: phone, deviceScaleFactor: scale,
  });
  context.setDefaultTimeout(20_000);
  await context.addInitScript(eyes);
  return context;
}

/** Begins to read the marks of the page's player, once it has one. */
export const watch = (page, timeout = 20_000) => page.waitForFunction(() => window.weirEyes(), null, { timeout });

/** Waits until n pictures with a mark were shown. */
export const pictures = (page, n, timeout = 60_000) =>
  page.waitForFunction((k) => window.weirEyes() && window.weirSeen.marks.length >= k, n, { timeout, polling: 100 });

export const seen = (page) =>
  page.evaluate(() => {
    const { video, marks, unreadable, waiting } = window.weirSeen;
    return { marks, unreadable, waiting, media_s: video.currentTime, width: video.videoWidth };
  });

/** What Ctrl V would paste now: the honest way to ask what a copy button copied, also where there is no clipboard API. */
export async function pasted(context, page) {
  const origin = new URL(page.url()).origin;
  const desk = await context.newPage();
  await desk.goto(`${origin}/livez`);
  await desk.evaluate(() => { document.body.innerHTML = "<textarea></textarea>"; });
  await desk.locator("textarea").focus();
  await desk.keyboard.press("Control+V");
  const text = await desk.locator("textarea").inputValue();
  await desk.close();
  return text;
}
