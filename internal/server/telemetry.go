package server

import (
	"bytes"
	"context"
	"image"
	"image/jpeg"
	"math"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"weir/internal/control/access"
	"weir/internal/control/telemetry"
	"weir/internal/fault"
	"weir/internal/gateway/webrtc"
	"weir/internal/health"
	"weir/internal/media"
	"weir/internal/problem"
	"weir/internal/timeline"
)

// buildTelemetry registers every room's Stats; no room knows of it.
func (s *Server) buildTelemetry(context.Context) error {
	r := telemetry.New(s.cfg.Version, s.cfg.Commit, s.log.With("room", "telemetry"))
	s.telemetry = r
	r.Hub(s.hub.Stats)
	r.Door(s.door.Stats)
	r.Streams(s.streamFigures)
	f := s.fan.Stats
	r.Func(telemetry.Gauge, "fan_viewers", "Viewers that shards write to.", func() float64 { return float64(f().Viewers) })
	r.Func(telemetry.Counter, "fan_writes_total", "Writes to viewers.", func() float64 { return float64(f().Writes) })
	r.Func(telemetry.Counter, "fan_bytes_total", "Bytes written to viewers.", func() float64 { return float64(f().Bytes) })
	r.Func(telemetry.Counter, "fan_blocked_total", "Writes that a full socket did not take at once.", func() float64 { return float64(f().Blocked) })
	r.Func(telemetry.Counter, "fan_stalled_total", "Viewers that were let go because they took nothing.", func() float64 { return float64(f().Stalled) })
	r.Func(telemetry.Counter, "fan_skips_total", "How often slow viewers skipped to a key frame.", func() float64 { return float64(f().Skips) })
	g := s.segments.Stats
	r.Func(telemetry.Counter, "segmenter_parts_total", "Parts made.", func() float64 { return float64(g().Parts) })
	r.Func(telemetry.Counter, "segmenter_runs_total", "Runs begun.", func() float64 { return float64(g().Runs) })
	s.buildFootageTelemetry(r)
	d := s.deliver.Stats
	r.Func(telemetry.Counter, "deliver_file_bytes_total", "Bytes of segments sent from files.", func() float64 { return float64(d().FileBytes) })
	r.Func(telemetry.Counter, "deliver_memory_bytes_total", "Bytes of segments sent from memory.", func() float64 { return float64(d().MemoryBytes) })
	r.Func(telemetry.Counter, "deliver_blocked_total", "Requests that waited for a part.", func() float64 { return float64(d().Blocked) })
	s.footageFigures(r)
	t := s.transcode.Stats
	r.Func(telemetry.Gauge, "transcode_running", "Conversions that run.", func() float64 { return float64(t().Running) })
	r.Func(telemetry.Counter, "transcode_restarts_total", "FFmpeg children that died and were replaced.", func() float64 { return float64(t().Restarts) })
	r.Labelled(telemetry.Counter, "panics_total", "Panics that were caught, by room. Each is a mistake of ours: please report it.", []string{"room"}, s.panicFigures)
	r.Labelled(telemetry.Counter, "gateway_refused_total", "Publishers and viewers that were refused, by gateway.", []string{"gateway"}, s.refusedFigures)
	r.Func(telemetry.Gauge, "http_connections", "Connections over HTTP and HTTPS.", func() float64 { n, _ := s.crowd.figures(); return float64(n) })
	r.Func(telemetry.Counter, "http_evicted_total", "Connections over HTTP that made room for newer ones.", func() float64 { _, n := s.crowd.figures(); return float64(n) })
	r.Func(telemetry.Gauge, "config_last_reload_successful", "1 while the server goes by what the configuration file says, 0 after a change with a mistake.", func() float64 {
		if s.stale.Load() {
			return 0
		}
		return 1
	})
	r.Func(telemetry.Gauge, "config_last_reload_success_timestamp_seconds", "When the configuration was taken, at the start or by a change.", func() float64 { return float64(s.reloaded.Load()) })
	r.Func(telemetry.Gauge, "webhook_events_waiting", "Events that webhooks have still to be told of.", func() float64 { return float64(s.api.Stats().WebhooksQueued) })
	r.Labelled(telemetry.Counter, "webhook_events_total", "What became of events that webhooks had to be told of.", []string{"result"}, s.webhookFigures)
	m := s.rtmp.Stats
	r.Func(telemetry.Counter, "rtmp_broken_total", "RTMP connections ended by bytes that are no RTMP.", func() float64 { return float64(m().Broken) })
	r.Func(telemetry.Counter, "rtmp_evicted_total", "Half-open RTMP connections that made room for newer ones.", func() float64 { return float64(m().Evicted) })
	r.Func(telemetry.Counter, "rtmp_damaged_total", "Frames that could not be used.", func() float64 { return float64(m().Damaged) })
	r.Func(telemetry.Gauge, "rtmp_half_open", "RTMP connections that are neither publishing nor playing yet.", func() float64 { return float64(m().Pending) })
	s.buildWebRTCTelemetry(r)
	return nil
}

func (s *Server) buildWebRTCTelemetry(r *telemetry.Registry) {
	figure := func(name, help string, of func(webrtc.Stats) uint64) {
		r.Func(telemetry.Counter, name, help, func() float64 {
			if s.webrtc == nil {
				return 0
			}
			return float64(of(s.webrtc.Stats()))
		})
	}
	figure("webrtc_packets_in_total", "Packets of WHIP publishers.", func(w webrtc.Stats) uint64 { return w.PacketsIn })
	figure("webrtc_asked_again_total", "Packets that WHIP publishers were asked for again.", func(w webrtc.Stats) uint64 { return w.AskedAgain })
	figure("webrtc_lost_total", "Packets of WHIP publishers that never came, or too late.", func(w webrtc.Stats) uint64 { return w.LostIn })
	figure("webrtc_key_frames_asked_total", "Key frames that WHIP publishers were asked for.", func(w webrtc.Stats) uint64 { return w.KeyFramesAsked })
	figure("webrtc_packets_out_total", "Packets sent to WHEP viewers, those that were sent again included.", func(w webrtc.Stats) uint64 { return w.PacketsOut })
	figure("webrtc_resent_total", "Packets that WHEP viewers asked for again and got.", func(w webrtc.Stats) uint64 { return w.Resent })
	figure("webrtc_send_dropped_total", "Packets to WHEP viewers that the socket did not take.", func(w webrtc.Stats) uint64 { return w.SendDropped })
}

func (s *Server) buildFootageTelemetry(r *telemetry.Registry) {
	st, v := s.timelines.Stats, s.timelines.Volume
	r.Func(telemetry.Gauge, "timeline_up", "1 while footage can be recorded, 0 while the disk is full, failed or read-only.", func() float64 {
		if state := v().State; state == timeline.VolumeOK || state == timeline.VolumeMemory {
			return 1
		}
		return 0
	})
	r.Func(telemetry.Gauge, "timeline_recording", "Renditions that are being recorded.", func() float64 { return float64(st().Recording) })
	r.Func(telemetry.Gauge, "timeline_memory_bytes", "Segments that are not safe on the disk yet.", func() float64 { return float64(st().MemoryBytes) })
	r.Func(telemetry.Gauge, "timeline_used_bytes", "Footage on the disk.", func() float64 { return float64(v().Used) })
	r.Func(telemetry.Gauge, "timeline_held_bytes", "Footage that was found and not known, which retention leaves alone.", func() float64 { return float64(v().Held) })
	r.Func(telemetry.Gauge, "timeline_free_bytes", "Room on the disk of footage.", func() float64 { return float64(v().Free) })
	r.Func(telemetry.Counter, "timeline_written_bytes_total", "Bytes written to files of footage.", func() float64 { return float64(st().WrittenBytes) })
	r.Func(telemetry.Counter, "timeline_syncs_total", "Times that footage or its index was made durable: fsync, fdatasync, syncfs, commits.", func() float64 { return float64(st().Syncs) })
	r.Func(telemetry.Counter, "timeline_lost_total", "Segments that could not be recorded.", func() float64 { return float64(st().Lost) })
	r.Func(telemetry.Counter, "timeline_damaged_total", "Footage whose checksum was wrong when it was read.", func() float64 { return float64(st().Damaged) })
	r.Func(telemetry.Gauge, "replays", "Ranges of the past that are sent out live.", func() float64 { return float64(s.replays.Stats().Replays) })
}

func (s *Server) refusedFigures(emit telemetry.Emit) {
	emit(float64(s.rtmp.Stats().Refused), "rtmp")
	emit(float64(s.http.Stats().Refused), "http")
	if s.webrtc != nil {
		emit(float64(s.webrtc.Stats().Refused), "webrtc")
	}
}

func (s *Server) webhookFigures(emit telemetry.Emit) {
	st := s.api.Stats()
	emit(float64(st.WebhooksDelivered), "delivered")
	emit(float64(st.WebhooksFailed), "failed")
	emit(float64(st.WebhooksDropped), "dropped")
}

func (s *Server) panicFigures(emit telemetry.Emit) {
	emit(float64(s.panics.Load()), "http")
	emit(float64(s.rtmp.Stats().Panics), "rtmp")
	emit(float64(s.pipeline.Stats().Panics), "pipeline")
	emit(float64(s.api.Stats().Panics), "api")
	if s.webrtc != nil {
		emit(float64(s.webrtc.Stats().Panics), "webrtc")
	}
}

func (s *Server) streamFigures() []telemetry.StreamFigures {
	var out []telemetry.StreamFigures
	for _, st := range s.hub.Streams() {
		n, _ := s.door.Viewers(st.Name())
		var in int64
		if h := s.health.History(st.Name()); len(h) > 0 {
			in = int64(h[len(h)-1].InBPS)
		}
		out = append(out, telemetry.StreamFigures{Name: st.Name(), InBPS: in, Viewers: n})
	}
	return out
}

// metrics answers scrapes from this machine and private networks, and with an API token from anywhere: the figures name streams.
func (s *Server) metrics() http.Handler {
	next := s.telemetry.Handler()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !near(s.clientOf(r)) {
			token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
			id, err := s.access.Token(r.Context(), token)
			if err == nil {
				err = id.Require(access.ScopeStreamsRead)
			}
			if err != nil {
				problem.Write(w, r, fault.New(fault.Unauthorized, "token_missing", "Metrics are open to private networks only.", "Send an API token: weir token create prints one."))
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

func near(a netip.Addr) bool { return a.IsLoopback() || a.IsPrivate() }

// lookEvery bounds what looking for black pictures costs, whatever the number of streams.
const lookEvery = 2 * time.Second

var errLater = fault.New(fault.Unavailable, "look_later", "Other streams are being looked at.", "")

// look measures the brightness of a key frame for the health monitor.
func (s *Server) look(ctx context.Context, t *media.Track, key media.Frame) (health.Picture, error) {
	now := time.Now().UnixNano()
	if due := s.lookDue.Load(); now < due || !s.lookDue.CompareAndSwap(due, now+int64(lookEvery)) {
		return health.Picture{}, errLater
	}
	raw, err := s.transcode.Picture(ctx, *t, key)
	if err != nil {
		return health.Picture{}, err
	}
	img, err := jpeg.Decode(bytes.NewReader(raw))
	if err != nil {
		return health.Picture{}, err
	}
	return brightness(img), nil
}

// brightness is the mean and the standard deviation of luma.
func brightness(img image.Image) health.Picture {
	y, ok := img.(*image.YCbCr)
	if !ok || len(y.Y) == 0 {
		return health.Picture{Luma: 255} // grey and exotic pictures are not black
	}
	var sum, squares float64
	for _, v := range y.Y {
		sum += float64(v)
		squares += float64(v) * float64(v)
	}
	n := float64(len(y.Y))
	mean := sum / n
	return health.Picture{Luma: mean, Spread: math.Sqrt(max(0, squares/n-mean*mean))}
}
