// Runs inside the judge's page: plays one address with one engine and keeps what was really shown.
import { readMark } from "/reader.js";

const state = { marks: [], unreadable: 0, waiting: 0, errors: [], first: 0, events: [], requests: [], loaded: [] };
window.judge = state;

function script(src) {
  return new Promise((resolve, reject) => {
    const s = document.createElement("script");
    s.src = src;
    s.onload = resolve;
    s.onerror = () => reject(new Error(`cannot load ${src}`));
    document.head.append(s);
  });
}

function watch(video) {
  const canvas = document.createElement("canvas");
  const seen = () => {
    const now = Date.now();
    const mark = readMark(video, canvas);
    if (mark) {
      state.marks.push([mark.counter, mark.sentMs, now]);
      if (!state.first) state.first = now;
    } else state.unreadable++;
    video.requestVideoFrameCallback(seen);
  };
  video.requestVideoFrameCallback(seen);
  for (const name of ["waiting", "stalled", "playing", "pause", "ended", "error", "seeking"]) {
    video.addEventListener(name, () => {
      state.events.push([name, Date.now(), video.currentTime]);
      if (name === "waiting" && state.first) state.waiting++;
      if (name === "error") state.errors.push(`video: ${video.error?.message}`);
    });
  }
}

const engines = {
  async "hls.js"(video, url, low) {
    await script("/node_modules/hls.js/dist/hls.min.js");
    const hls = new window.Hls({ lowLatencyMode: low, enableWorker: true });
    hls.on(window.Hls.Events.ERROR, (_, d) => {
      if (d.fatal) state.errors.push(`hls.js: ${d.type} ${d.details}`);
      else state.events.push([`hls.js ${d.details}`, Date.now(), video.currentTime]);
    });
    hls.on(window.Hls.Events.FRAG_LOADED, (_, d) => {
      state.requests.push(d.part ? d.part.url : d.frag.url);
      state.loaded.push([Date.now(), d.frag.programDateTime + 1000 * d.frag.duration]);
    });
    hls.loadSource(url);
    hls.attachMedia(video);
    window.engine = hls;
  },
  async shaka(video, url, low) {
    await script("/node_modules/shaka-player/dist/shaka-player.compiled.js");
    const player = new window.shaka.Player();
    await player.attach(video);
    player.configure({ streaming: { lowLatencyMode: low } });
    player.addEventListener("error", (e) => state.errors.push(`shaka: ${e.detail.code} ${e.detail.data}`));
    await player.load(url);
    window.engine = player;
  },
  async "dash.js"(video, url, low) {
    await script("/node_modules/dashjs/dist/modern/umd/dash.all.min.js");
    const player = window.dashjs.MediaPlayer().create();
    player.on("error", (e) => state.errors.push(`dash.js: ${e.error?.code} ${e.error?.message}`));
    if (low) player.updateSettings({ streaming: { delay: { liveDelay: 2 } } });
    player.initialize(video, url, true);
    window.engine = player;
  },
  async mpegts(video, url) {
    await script("/node_modules/mpegts.js/dist/mpegts.js");
    // It catches up by its rate. The other way, liveBufferLatencyChasing, seeks, and after a seek a browser fires "waiting".
    const player = window.mpegts.createPlayer(
      { type: "flv", isLive: true, url },
      { enableWorker: false, enableStashBuffer: false, liveSync: true, liveSyncMaxLatency: 0.5, liveSyncTargetLatency: 0.25, liveSyncPlaybackRate: 1.2, lazyLoad: false },
    );
    player.on(window.mpegts.Events.ERROR, (...e) => state.errors.push(`mpegts: ${e.join(" ")}`));
    player.attachMediaElement(video);
    player.load();
    window.engine = player;
  },
  async whep(video, url) {
    const pc = new RTCPeerConnection();
    pc.addTransceiver("video", { direction: "recvonly" });
    pc.addTransceiver("audio", { direction: "recvonly" });
    const stream = new MediaStream();
    pc.ontrack = (e) => stream.addTrack(e.track);
    pc.onconnectionstatechange = () => state.events.push([`pc ${pc.connectionState}`, Date.now(), 0]);
    await pc.setLocalDescription(await pc.createOffer());
    const answer = await fetch(url, { method: "POST", headers: { "Content-Type": "application/sdp" }, body: pc.localDescription.sdp });
    if (!answer.ok) throw new Error(`whep: ${answer.status} ${await answer.text()}`);
    await pc.setRemoteDescription({ type: "answer", sdp: await answer.text() });
    video.srcObject = stream;
    window.engine = pc;
  },
};

window.start = async ({ engine, url, low }) => {
  const video = document.querySelector("video");
  watch(video);
  try {
    await engines[engine](video, url, low);
    // dash.js starts by itself; it must see the play event after its own set-up, or it never reloads the manifest.
    if (engine !== "dash.js") await video.play();
  } catch (e) {
    state.errors.push(String(e.message ?? e));
  }
};
