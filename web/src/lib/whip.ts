import { readAnswer } from "../player/whep";

/** Publishes a camera or a screen by WHIP (RFC 9725): one POST of an offer, one answer, DELETE at the end. */
export class WhipPublisher {
  onend?: () => void;
  private pc: RTCPeerConnection | undefined;
  private media: MediaStream | undefined;
  private resource: string | undefined;
  private readonly url: string;
  private readonly key: string;

  constructor(url: string, key: string) {
    this.url = new URL(url, location.href).href;
    this.key = key;
  }

  async start(kind: "camera" | "screen"): Promise<MediaStream> {
    const media = await capture(kind);
    this.media = media;
    const pc = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
    this.pc = pc;
    for (const track of media.getTracks()) {
      pc.addTransceiver(track, { direction: "sendonly", streams: [media] });
      // The browser's own "stop sharing" button ends the broadcast too.
      track.onended = () => this.end();
    }
    preferH264(pc);
    pc.onconnectionstatechange = () => {
      if (pc.connectionState === "failed" || pc.connectionState === "closed") this.end();
    };
    await pc.setLocalDescription(await pc.createOffer());
    const res = await fetch(this.url, {
      method: "POST",
      headers: { "Content-Type": "application/sdp", Authorization: `Bearer ${this.key}` },
      body: pc.localDescription?.sdp,
    });
    const answer = await readAnswer(res, this.url);
    this.resource = answer.resource;
    await pc.setRemoteDescription({ type: "answer", sdp: answer.sdp });
    return media;
  }

  private end(): void {
    if (!this.pc) return;
    this.stop();
    this.onend?.();
  }

  stop(): void {
    const { pc, resource } = this;
    this.pc = undefined;
    this.resource = undefined;
    for (const track of this.media?.getTracks() ?? []) track.stop();
    pc?.close();
    if (resource)
      void fetch(resource, {
        method: "DELETE",
        headers: { Authorization: `Bearer ${this.key}` },
        keepalive: true,
      }).catch(() => undefined);
  }
}

function capture(kind: "camera" | "screen"): Promise<MediaStream> {
  const audio = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
  const size = { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30 } };
  return kind === "camera"
    ? navigator.mediaDevices.getUserMedia({ video: size, audio })
    : navigator.mediaDevices.getDisplayMedia({ video: size, audio });
}

/** H.264 plays everywhere downstream without transcoding; whatever else the browser has stays behind it. */
function preferH264(pc: RTCPeerConnection): void {
  const all = RTCRtpSender.getCapabilities?.("video")?.codecs ?? [];
  const first = all.filter((c) => c.mimeType.toLowerCase() === "video/h264");
  for (const x of pc.getTransceivers())
    if (x.sender.track?.kind === "video" && first.length > 0)
      x.setCodecPreferences?.([...first, ...all.filter((c) => !first.includes(c))]);
}
