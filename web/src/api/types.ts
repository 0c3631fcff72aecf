/** The REST API's shapes, as docs/ref and /api/openapi.json give them. */

export interface Session {
  signed_in: boolean;
  user?: { name: string; role: string };
  password_set: boolean;
  setup: "open" | "done";
  version: string;
  ffmpeg?: { available: boolean; version?: string; off?: string[] };
}

export interface SystemInfo {
  version: string;
  commit?: string;
  uptime_s: number;
  started_at: string;
  addresses: { host: string; kind: string; recommended?: boolean }[];
  ports: Record<string, number>;
  data_dir: string;
  disk: { free_bytes: number; total_bytes: number };
  totals: { streams: number; publishers: number; viewers: number; in_bps: number; out_bps: number };
  history?: { at: string; in_bps: number; out_bps: number }[];
  gateways?: { name: string; address: string; state: "on" | "off" | "failed"; error?: string }[];
}

export interface Track {
  id: number;
  kind: string;
  codec: string;
  codecs?: string;
  width?: number;
  height?: number;
  frame_rate?: number;
  measured_frame_rate?: number;
  bitrate_bps?: number;
  gop_s?: number;
  b_frames?: boolean;
  sample_rate?: number;
  channels?: number;
  derived?: boolean;
}

export interface Finding {
  code: string;
  severity: "warn" | "bad";
  message: string;
  remedy?: string;
  values?: Record<string, unknown>;
}

export interface Stream {
  name: string;
  state: "live" | "away" | "idle";
  since?: string;
  publisher?: {
    protocol: string;
    remote: string;
    software?: string;
    key_name?: string;
    session_id?: string;
  } | null;
  tracks?: Track[] | null;
  in_bps?: number;
  viewers?: number;
  viewers_by_protocol?: Record<string, number> | null;
  verdict?: { grade: "good" | "fair" | "bad" | "none"; findings?: Finding[] | null };
  thumbnail?: string;
  run?: number;
  counters?: Record<string, number>;
}

export interface HistoryPoint {
  at: string;
  in_bps: number;
  fps: number;
  gop_s: number;
  av_offset_ms: number;
  viewers: number;
}

export interface StreamEvent {
  at: string;
  code: string;
  values?: Record<string, unknown>;
}

export interface History {
  interval_s: number;
  points: HistoryPoint[] | null;
  events: StreamEvent[] | null;
}

export interface Attempt {
  at: string;
  remote: string;
  protocol: string;
  code: string;
  message: string;
  remedy?: string;
}

export interface SessionInfo {
  id: string;
  action: "publish" | "play";
  protocol: string;
  stream: string;
  remote: string;
  user_agent?: string;
  key_name?: string;
  since: string;
  bytes_in: number;
  bytes_out: number;
  bps?: number;
}

export interface Key {
  id: string;
  name: string;
  pattern: string;
  actions: string[];
  created_at: string;
  last_used_at?: string | null;
  shown_count: number;
  secret?: string;
}

export interface Token {
  id: string;
  name: string;
  scopes: string[];
  created_at: string;
  last_used_at?: string | null;
  secret?: string;
}

export interface PublishInfo {
  name: string;
  app: string;
  stream: string;
  key_id: string;
  key_masked: string;
  addresses: { host: string; recommended?: boolean; kind?: string }[];
  rtmp_port: number;
  rtmps_port: number;
  http_port: number;
  https_port: number;
  webrtc: boolean;
}

export interface Relay {
  id: string;
  stream: string;
  url: string;
  on_demand?: boolean;
  state: "connecting" | "running" | "waiting" | "off";
  attempts?: number;
  last_error?: { code: string; message: string; remedy?: string } | null;
  since?: string;
  next_retry_at?: string | null;
  bytes_out?: number;
}

export interface TestSource {
  id: string;
  stream: string;
}

export interface Webhook {
  id: string;
  url: string;
  types: string[];
  created_at?: string;
  secret?: string;
}

export interface Page<T> {
  items: T[] | null;
  next_cursor?: string;
}

/** One server-sent event's data. */
export interface ServerEvent {
  id: string;
  type: string;
  timestamp: string;
  data: Record<string, unknown>;
}

/** A named range of a timeline, which retention leaves alone. */
export interface Recording {
  id: string;
  stream: string;
  kind: "recording" | "clip" | "hold" | "event";
  title: string;
  state: "running" | "finished";
  from: string;
  to: string | null;
  until: string | null;
  bytes: number;
  duration_s: number;
  by?: string;
  created: string;
  /** No gaps. */
  complete: boolean;
  hls: string;
  dash: string;
  mp4: string;
  watch: string;
}

/** A range of the past that is sent out live. No from: from the oldest; no to: on with the newest. */
export interface Replay {
  id: string;
  stream: string;
  as: string;
  from: string | null;
  to: string | null;
  speed: number;
  loop: boolean;
  keep_gaps: boolean;
  since: string;
}

/** What there is of one stream's past. keep_s: 0 is the live window only, less than 0 for ever. */
export interface Timeline {
  name: string;
  from?: string | null;
  to?: string | null;
  bytes: number;
  files: number;
  held_bytes: number;
  live: boolean;
  recording: boolean;
  keep_s: number;
  keep_bytes: number;
}

export interface TimelineRange {
  name: string;
  from: string;
  to: string;
  spans:
    | { from: string; to: string; run: number; bytes: number; live: boolean; held: boolean; end: string }[]
    | null;
  gaps: { from: string; to: string; cause: string }[] | null;
  pins: Recording[] | null;
}

export interface Volume {
  dir: string;
  state: "ok" | "full" | "failed" | "readonly" | "memory";
  cause?: string;
  total: number;
  free: number;
  used: number;
  held: number;
  bytes_per_day: number;
  full_in_days: number | null;
  since: string | null;
  /** Segments that could not be recorded. */
  lost: number;
  sync_max_ms: number;
}

export interface Storage {
  volumes: Volume[] | null;
  keep: { dvr_s: number; total_bytes: number; min_free: number };
  timelines: number;
}
