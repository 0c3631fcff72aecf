// Plays an address with an engine for some seconds and prints how far sound and picture are apart, as seen and heard in Chromium.
// Each beep of the test pattern begins on the sample at which the frames of a second begin, so the picture that belongs to it is
// known by its counter: [seconds since the first picture, ms that the beep came after its picture]. Over WebRTC Chromium's own
// reckoning stands beside it, which knows nothing of the way through Web Audio: how far what it plays is behind what it shows.
// node avsync.mjs '{"engine":"whep","url":"http://…","seconds":10,"fps":30}'
import { launch, servePage } from "./browser.mjs";

const job = JSON.parse(process.argv[2]);

/** Runs in the page: notes when beeps are heard, by the clock of the sound card, and when pictures are shown. */
async function listen(fps) {
  const ear = `registerProcessor("ear", class extends AudioWorkletProcessor {
    quiet = 0;
    process([input]) {
      const samples = input[0] ?? new Float32Array(128);
      for (let i = 0; i < samples.length; i++) {
        if (Math.abs(samples[i]) < 0.075) { this.quiet++; continue; }
        if (this.quiet > 0.3 * sampleRate) this.port.postMessage((currentFrame + i) / sampleRate);
        this.quiet = 0;
      }
      return true;
    }
  });`;
  const video = document.querySelector("video");
  const context = new AudioContext({ latencyHint: "interactive" });
  await context.audioWorklet.addModule(URL.createObjectURL(new Blob([ear], { type: "text/javascript" })));
  const node = new AudioWorkletNode(context, "ear");
  const { readMark } = await import("/reader.js");
  const heard = { beeps: [], pictures: [], stats: [] };
  window.heard = heard;
  node.port.onmessage = ({ data }) => {
    const { contextTime, performanceTime } = context.getOutputTimestamp();
    heard.beeps.push(performanceTime + (data - contextTime) * 1000);
  };
  node.connect(context.destination);
  window.connectSound = () => {
    video.muted = Boolean(video.srcObject); // a muted element gives no sound to Web Audio, but a stream does
    const source = video.srcObject ? context.createMediaStreamSource(video.srcObject) : context.createMediaElementSource(video);
    source.connect(node);
  };
  const canvas = document.createElement("canvas");
  const seen = (_, meta) => {
    const mark = readMark(video, canvas);
    if (mark) heard.pictures.push([mark.counter / fps, meta.expectedDisplayTime]);
    video.requestVideoFrameCallback(seen);
  };
  video.requestVideoFrameCallback(seen);
  setInterval(async () => {
    const line = {};
    for (const r of (await window.engine?.getStats?.())?.values() ?? []) {
      if (r.type === "inbound-rtp") line[r.kind] = r.estimatedPlayoutTimestamp;
    }
    if (line.audio && line.video && heard.pictures.length) heard.stats.push([performance.now() - heard.pictures[0][1], line.video - line.audio]);
  }, 250);
}

/** Pairs each beep with the picture of its second; the nearest second is the right one under half a second. */
function pairs({ beeps, pictures }) {
  const out = [];
  for (const at of beeps) {
    const near = pictures.filter((p) => Math.abs(p[1] - at) < 700);
    if (near.length < 5) continue;
    near.sort((a, b) => Math.abs(a[1] - at) - Math.abs(b[1] - at));
    const second = Math.round(near[0][0]);
    near.sort((a, b) => Math.abs(a[0] - second) - Math.abs(b[0] - second));
    const shown = near[0][1] - (near[0][0] - second) * 1000;
    out.push([Math.round(at - pictures[0][1]) / 1000, Math.round(at - shown)]);
  }
  return out;
}

const page = await servePage();
const browser = await launch();
try {
  const tab = await browser.newPage();
  await tab.goto(page.url);
  await tab.waitForFunction(() => window.start);
  await tab.evaluate(listen, job.fps ?? 30);
  await tab.evaluate((j) => window.start(j), job);
  await tab.evaluate(() => window.connectSound());
  await tab.waitForFunction(() => window.judge.first || window.judge.errors.length, null, { timeout: 25000 }).catch(() => {});
  await tab.waitForTimeout(job.seconds * 1000);
  const seen = await tab.evaluate(() => ({ heard: window.heard, errors: window.judge.errors }));
  const own = seen.heard.stats.map(([at, late]) => [Math.round(at) / 1000, Math.round(late)]);
  console.log(JSON.stringify({ engine: job.engine, errors: seen.errors, pictures: seen.heard.pictures.length, pairs: pairs(seen.heard), own }));
} finally {
  await browser.close();
  page.close();
}
