import { pathOf } from "./format";

/** The addresses a publisher needs, from what the server says of itself. */

export interface Place {
  host: string;
  app: string;
  stream: string;
  name: string;
  rtmpPort: number;
  rtmpsPort: number;
  httpPort: number;
  httpsPort: number;
}

/** IPv6 addresses stand in brackets inside a URL (RFC 3986 section 3.2.2). */
export function hostPart(host: string): string {
  return host.includes(":") && !host.startsWith("[") ? `[${host}]` : host;
}

function at(host: string, port: number, usual: number): string {
  return port === usual || port === 0 ? hostPart(host) : `${hostPart(host)}:${port}`;
}

/** OBS's Server field. */
export function rtmpServer(p: Place, secure = false): string {
  return secure
    ? `rtmps://${at(p.host, p.rtmpsPort, 443)}/${pathOf(p.app)}`
    : `rtmp://${at(p.host, p.rtmpPort, 1935)}/${pathOf(p.app)}`;
}

/** OBS's Stream Key field. */
export function streamKey(p: Place, secret: string): string {
  return `${pathOf(p.stream)}?key=${encodeURIComponent(secret)}`;
}

/** The whole address for programs that take one. */
export function rtmpUrl(p: Place, secret: string): string {
  return `${rtmpServer(p)}/${streamKey(p, secret)}`;
}

export function webBase(p: Place): string {
  return p.httpsPort ? `https://${at(p.host, p.httpsPort, 443)}` : `http://${at(p.host, p.httpPort, 80)}`;
}

export function whipUrl(p: Place): string {
  return `${webBase(p)}/${pathOf(p.name)}/whip`;
}

export function watchUrl(p: Place): string {
  return `${webBase(p)}/${pathOf(p.name)}`;
}

/** Larix Broadcaster's settings link: https://softvelum.com/larix/grove/ */
export function larixLink(p: Place, secret: string): string {
  const q = new URLSearchParams();
  q.set("conn[][url]", rtmpUrl(p, secret));
  q.set("conn[][name]", `Weir ${p.name}`);
  q.set("conn[][overwrite]", "on");
  q.set("enc[vid][keyframe]", "2");
  return `larix://set/v1?${q.toString().replaceAll("+", "%20")}`;
}

export function ffmpegLine(p: Place, secret: string): string {
  return [
    "ffmpeg -re -stream_loop -1 -i input.mp4",
    "-c:v libx264 -preset veryfast -b:v 2500k -maxrate 2500k -bufsize 5000k -g 60 -pix_fmt yuv420p",
    "-c:a aac -b:a 160k -ar 48000",
    `-f flv "${rtmpUrl(p, secret)}"`,
  ].join(" \\\n  ");
}

export function ffmpegTestLine(p: Place, secret: string): string {
  return [
    "ffmpeg -re -f lavfi -i testsrc2=size=1280x720:rate=30 -f lavfi -i sine=frequency=440:sample_rate=48000",
    "-c:v libx264 -preset veryfast -b:v 2500k -g 60 -pix_fmt yuv420p -c:a aac -b:a 128k",
    `-f flv "${rtmpUrl(p, secret)}"`,
  ].join(" \\\n  ");
}

export function gstreamerLine(p: Place, secret: string): string {
  return [
    // Without I420 x264enc makes 4:4:4, which browsers do not play.
    "gst-launch-1.0 -e videotestsrc is-live=true ! video/x-raw,format=I420,width=1280,height=720,framerate=30/1",
    "! x264enc tune=zerolatency speed-preset=veryfast key-int-max=60 option-string=scenecut=0 bitrate=2500 ! h264parse ! mux.",
    "audiotestsrc is-live=true ! audio/x-raw,rate=48000,channels=2 ! voaacenc bitrate=128000 ! aacparse ! mux.",
    `flvmux name=mux streamable=true ! rtmp2sink location="${rtmpUrl(p, secret)}"`,
  ].join(" \\\n  ");
}
