import { type Engine, type EngineContext, EngineError, type EngineStats } from "./engine";

/** WHEP, the WebRTC-HTTP egress protocol (draft-ietf-wish-whep): one POST of an offer, one answer, DELETE at the end. */

export interface Answer {
  sdp: string;
  /** Where the session lives, for DELETE; undefined when the server named none. */
  resource: string | undefined;
}

/** Reads the server's answer to the offer, or says why there is none. */
export async function readAnswer(res: Response, asked: string): Promise<Answer> {
  if (res.status === 201 || res.status === 200) {
    const sdp = await res.text();
    if (!sdp.startsWith("v=0"))
      throw new EngineError("whep_answer", "The server's answer is not an SDP.", false);
    const location = res.headers.get("Location");
    return { sdp, resource: location ? new URL(location, asked).href : undefined };
  }
  const problem = await readProblem(res);
  // 4xx other than "not yet" and "too many" will not change by asking again.
  const retry = res.status >= 500 || res.status === 404 || res.status === 409 || res.status === 429;
  throw new EngineError(problem.code ?? `http_${res.status}`, problem.text, retry);
}

/** The code and sentence of an application/problem+json body; servers that send none still get a sentence. */
export async function readProblem(res: Response): Promise<{ code?: string; text: string }> {
  const fallback = `HTTP ${res.status}`;
  if (!(res.headers.get("Content-Type") ?? "").includes("json")) return { text: fallback };
  try {
    const body = (await res.json()) as { code?: string; detail?: string; remedy?: string; title?: string };
    const text = [body.detail ?? body.title, body.remedy].filter(Boolean).join(" ");
    return { code: body.code, text: text || fallback };
  } catch {
    return { text: fallback };
  }
}

/** ICE servers from Link headers (RFC 9725 section 4.6, the same in WHEP). */
export function iceServers(link: string | null): RTCIceServer[] {
  const out: RTCIceServer[] = [];
  for (const part of (link ?? "").split(/,(?=\s*<)/)) {
    const m = part.match(/<([^>]+)>\s*;(.*)/);
    if (!m?.[1] || !/rel="?ice-server"?/.test(m[2] ?? "")) continue;
    const param = (name: string) => m[2]?.match(new RegExp(`${name}="([^"]*)"`))?.[1];
    out.push({ urls: m[1], username: param("username"), credential: param("credential") });
  }
  return out;
}

/** Chrome offers stereo Opus only when asked, and plays mono otherwise. */
export function askStereo(sdp: string): string {
  const pt = sdp.match(/a=rtpmap:(\d+) opus\/48000/i)?.[1];
  if (!pt) return sdp;
  return sdp.replace(new RegExp(`(a=fmtp:${pt} )(?![^\\r\\n]*stereo=1)`, "g"), "$1stereo=1;");
}

export class WhepEngine implements Engine {
  readonly name = "whep" as const;
  onend?: (why: EngineError) => void;
  private readonly cx: EngineContext;
  private pc: RTCPeerConnection | undefined;
  private resource: string | undefined;
  private readonly abort = new AbortController();
  private watch: ReturnType<typeof setInterval> | undefined;
  private last: { bytes: number; at: number; bitrate?: number } | undefined;
  private lag: number | undefined;
  private jitter = { delay: 0, frames: 0 };

  constructor(cx: EngineContext) {
    this.cx = cx;
  }

  async start(): Promise<void> {
    if (typeof RTCPeerConnection === "undefined")
      throw new EngineError("no_webrtc", "This browser has no WebRTC.", false);
    const pc = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
    this.pc = pc;
    const stream = new MediaStream();
    pc.ontrack = (e) => {
      stream.addTrack(e.track);
      // Play at once: the server paces, and a deeper buffer would only add delay.
      const r = e.receiver as RTCRtpReceiver & { jitterBufferTarget?: number | null };
      if ("jitterBufferTarget" in r) r.jitterBufferTarget = 0;
    };
    pc.addTransceiver("video", { direction: "recvonly" });
    pc.addTransceiver("audio", { direction: "recvonly" });
    const offer = await pc.createOffer();
    await pc.setLocalDescription({ type: "offer", sdp: askStereo(offer.sdp ?? "") });
    await gathered(pc, 200);
    const url = `${this.cx.base}/whep${this.cx.query}`;
    const res = await this.post(url, pc.localDescription?.sdp ?? "");
    const answer = await readAnswer(res, url);
    this.resource = answer.resource;
    if (this.abort.signal.aborted) return this.release();
    await pc.setRemoteDescription({ type: "answer", sdp: answer.sdp });
    this.cx.video.srcObject = stream;
    await connected(pc, this.abort.signal);
    this.guard(pc);
  }

  private async post(url: string, sdp: string): Promise<Response> {
    try {
      return await fetch(url, {
        method: "POST",
        headers: { "Content-Type": "application/sdp", Accept: "application/sdp" },
        body: sdp,
        signal: this.abort.signal,
      });
    } catch {
      throw new EngineError("network", "The server does not answer.");
    }
  }

  /** Ends within a second when the session does: the transport says so, or the packets stop although it lives. */
  private guard(pc: RTCPeerConnection): void {
    const end = (code: string, text: string) => {
      if (this.pc === pc) this.onend?.(new EngineError(code, text));
    };
    pc.onconnectionstatechange = () => {
      if (pc.connectionState === "failed" || pc.connectionState === "closed")
        end("session_ended", "The server ended the session.");
    };
    for (const r of pc.getReceivers()) {
      const t = r.transport;
      if (t)
        t.onstatechange = () => {
          if (t.state === "closed" || t.state === "failed")
            end("session_ended", "The server ended the session.");
        };
    }
    this.watch = setInterval(() => void this.measure(pc), 500);
  }

  private async measure(pc: RTCPeerConnection): Promise<void> {
    const report = await pc.getStats();
    const now = performance.now();
    let bytes = 0;
    let rtt = 0;
    report.forEach((s) => {
      if (s.type === "inbound-rtp") bytes += s.bytesReceived ?? 0;
      if (s.type === "candidate-pair" && s.nominated) rtt = s.currentRoundTripTime ?? 0;
      if (s.type === "inbound-rtp" && s.kind === "video") {
        const frames = s.jitterBufferEmittedCount ?? 0;
        const delay = s.jitterBufferDelay ?? 0;
        if (frames > this.jitter.frames)
          this.lag = (delay - this.jitter.delay) / (frames - this.jitter.frames) + rtt / 2;
        this.jitter = { delay, frames };
      }
    });
    if (this.last && now > this.last.at) {
      const bitrate = ((bytes - this.last.bytes) * 8000) / (now - this.last.at);
      this.last = { bytes, at: now, bitrate };
    } else this.last = { bytes, at: now };
  }

  stop(): void {
    this.abort.abort();
    this.release();
    this.cx.video.srcObject = null;
  }

  private release(): void {
    clearInterval(this.watch);
    const { pc, resource } = this;
    this.pc = undefined;
    this.resource = undefined;
    // Closing tells the server, too, which then no longer knows the session, so it comes second. keepalive: the request
    // outlives the page when the viewer leaves.
    const told = resource
      ? fetch(resource, { method: "DELETE", keepalive: true }).catch(() => undefined)
      : Promise.resolve();
    void told.then(() => pc?.close());
  }

  latency(): number | undefined {
    return this.lag;
  }

  edge(): undefined {
    return undefined;
  }

  goLive(): void {
    void this.cx.video.play().catch(() => undefined);
  }

  qualities() {
    return { auto: false, list: [] };
  }

  setQuality(): void {}

  async stats(): Promise<EngineStats> {
    const out: EngineStats = { protocol: "WebRTC (WHEP)", latency: this.lag, bitrate: this.last?.bitrate };
    const report = await this.pc?.getStats();
    report?.forEach((s) => {
      if (s.type === "inbound-rtp" && s.kind === "video") {
        out.dropped = s.framesDropped;
        out.decoded = s.framesDecoded;
        out.lost = s.packetsLost;
      }
      if (s.type === "codec")
        out.codecs = [out.codecs, String(s.mimeType).split("/")[1]].filter(Boolean).join(", ");
      if (s.type === "candidate-pair" && s.nominated) out.roundTrip = s.currentRoundTripTime;
      if (s.type === "local-candidate" && s.protocol) out.transport ??= String(s.protocol).toUpperCase();
    });
    return out;
  }
}

/** Waits for the candidates, but never longer than `ms`: the server also learns ours from the packets themselves. */
function gathered(pc: RTCPeerConnection, ms: number): Promise<void> {
  if (pc.iceGatheringState === "complete") return Promise.resolve();
  return new Promise((done) => {
    const timer = setTimeout(done, ms);
    pc.addEventListener("icegatheringstatechange", () => {
      if (pc.iceGatheringState !== "complete") return;
      clearTimeout(timer);
      done();
    });
  });
}

function connected(pc: RTCPeerConnection, signal: AbortSignal): Promise<void> {
  return new Promise((done, fail) => {
    const timer = setTimeout(
      () =>
        fail(
          new EngineError(
            "webrtc_blocked",
            "No WebRTC packets get through; a firewall may block them.",
            false,
          ),
        ),
      5000,
    );
    const check = () => {
      const s = pc.connectionState;
      if (s === "new" || s === "connecting") return;
      clearTimeout(timer);
      if (s === "connected") done();
      else fail(new EngineError("webrtc_failed", "The WebRTC connection failed."));
    };
    pc.addEventListener("connectionstatechange", check);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      fail(new EngineError("stopped", "Stopped."));
    });
    check();
  });
}
