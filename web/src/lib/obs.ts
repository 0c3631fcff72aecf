import { zip } from "./zip";

/** OBS Studio's profile folder: what "Profile → Import" reads. */

export interface ObsTarget {
  kind: "rtmp" | "whip";
  server: string;
  /** RTMP: the stream key field. WHIP: the bearer token. */
  key: string;
}

/** service.json of a custom service. WHIP came with OBS 30. */
export function obsService(t: ObsTarget): object {
  if (t.kind === "whip") return { type: "whip_custom", settings: { server: t.server, bearer_token: t.key } };
  return { type: "rtmp_custom", settings: { server: t.server, key: t.key, use_auth: false } };
}

/** basic.ini: Advanced output, because only there can the key frame interval be set. */
export function obsBasicIni(profile: string): string {
  return [
    "[General]",
    `Name=${profile}`,
    "",
    "[Output]",
    "Mode=Advanced",
    "Reconnect=true",
    "RetryDelay=2",
    "MaxRetries=25",
    "",
    "[AdvOut]",
    "Encoder=obs_x264",
    "ApplyServiceSettings=true",
    "TrackIndex=1",
    "AudioEncoder=ffmpeg_aac",
    "Track1Bitrate=160",
    "",
    "[Video]",
    "BaseCX=1920",
    "BaseCY=1080",
    "OutputCX=1280",
    "OutputCY=720",
    "FPSType=0",
    "FPSCommon=30",
    "",
    "[Audio]",
    "SampleRate=48000",
    "ChannelSetup=Stereo",
    "",
  ].join("\r\n");
}

/** streamEncoder.json: the encoder's own settings. B-frames stay off for WHIP, which cannot carry them. */
export function obsEncoder(t: ObsTarget): object {
  return {
    rate_control: "CBR",
    bitrate: 2500,
    keyint_sec: 2,
    preset: "veryfast",
    profile: "high",
    tune: t.kind === "whip" ? "zerolatency" : "",
    bf: t.kind === "whip" ? 0 : 2,
  };
}

/** The folder name: what OBS itself would make of it, letters and digits only. */
export function profileName(stream: string): string {
  return `Weir_${stream.replace(/[^\p{L}\p{N}]+/gu, "_")}`;
}

export function obsProfile(stream: string, t: ObsTarget, at: Date): Uint8Array<ArrayBuffer> {
  const name = profileName(stream);
  const json = (v: object) => `${JSON.stringify(v, null, 4)}\n`;
  return zip(
    {
      [`${name}/basic.ini`]: obsBasicIni(name),
      [`${name}/service.json`]: json(obsService(t)),
      [`${name}/streamEncoder.json`]: json(obsEncoder(t)),
    },
    at,
  );
}
