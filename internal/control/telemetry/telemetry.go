// Package telemetry shows the server's figures to Prometheus. What belongs here: the
// registry, how a room's Stats become metrics, and the timing of HTTP requests. What
// does not: the counting itself (each room's Stats), alarms, and figures of single
// viewers, of which there are too many.
package telemetry

import (
	"fmt"
	"log/slog"
	"net/http"
	"runtime"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

const namespace = "weir_"

// Kind says how a figure behaves.
type Kind uint8

// The kinds of figure.
const (
	Gauge   Kind = iota // goes up and down
	Counter             // only grows; its name ends in _total
)

func (k Kind) value() prometheus.ValueType {
	if k == Counter {
		return prometheus.CounterValue
	}
	return prometheus.GaugeValue
}

// Registry holds the metrics of one server. Methods that add metrics are for the
// start and panic when a name is taken or malformed; the rest may be called from any goroutine.
type Registry struct {
	registry *prometheus.Registry
	requests *prometheus.HistogramVec
	log      *slog.Logger
}

// errorLog is what promhttp asks of a log.
type errorLog struct{ *slog.Logger }

func (l errorLog) Println(v ...any) { l.Error("a metric could not be read", "error", fmt.Sprint(v...)) }

// New returns a registry with the metrics of the program itself: the build, the Go
// runtime, the process.
func New(version, commit string, log *slog.Logger) *Registry {
	r := &Registry{registry: prometheus.NewRegistry(), log: log}
	r.registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	r.Labelled(Gauge, "build_info", "The running program; always 1.", []string{"version", "commit", "go"}, func(emit Emit) {
		emit(1, version, commit, runtime.Version())
	})
	r.requests = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    namespace + "http_request_duration_seconds",
		Help:    "Time taken to answer HTTP requests, without streams of media or events.",
		Buckets: []float64{.001, .005, .02, .05, .1, .25, .5, 1, 2.5, 10},
	}, []string{"method", "route", "status"})
	r.registry.MustRegister(r.requests)
	return r
}

// Handler answers scrapes. It shows no secrets, but should be public only where its figures may be.
func (r *Registry) Handler() http.Handler {
	return promhttp.HandlerFor(r.registry, promhttp.HandlerOpts{
		Registry: r.registry, MaxRequestsInFlight: 4, ErrorHandling: promhttp.ContinueOnError, ErrorLog: errorLog{r.log},
	})
}

// Func adds a figure that read returns. The name comes without the prefix weir_.
func (r *Registry) Func(kind Kind, name, help string, read func() float64) {
	r.Labelled(kind, name, help, nil, func(emit Emit) { emit(read()) })
}

// Emit gives one figure with the values of its labels.
type Emit func(value float64, labels ...string)

// Labelled adds figures that differ in labels; read emits them all at each scrape.
// The values of labels must be few and must not be of a stranger's choice.
func (r *Registry) Labelled(kind Kind, name, help string, labels []string, read func(Emit)) {
	r.Group(&Family{Kind: kind, Name: name, Help: help, Labels: labels, Read: read})
}

// Family is one metric.
type Family struct {
	Kind       Kind
	Name, Help string
	Labels     []string
	Read       func(Emit)
}

// Group adds metrics.
func (r *Registry) Group(families ...*Family) {
	for _, f := range families {
		r.registry.MustRegister(&collector{Family: f, desc: prometheus.NewDesc(namespace+f.Name, f.Help, f.Labels, nil)})
	}
}

// collector reads a family at each scrape.
type collector struct {
	*Family
	desc *prometheus.Desc
}

func (c *collector) Describe(out chan<- *prometheus.Desc) { out <- c.desc }

func (c *collector) Collect(out chan<- prometheus.Metric) {
	defer func() {
		if p := recover(); p != nil { // a room that panics must not take the other figures away
			out <- prometheus.NewInvalidMetric(c.desc, fmt.Errorf("reading %s panicked: %v", c.Name, p))
		}
	}()
	c.Read(func(value float64, labels ...string) {
		m, err := prometheus.NewConstMetric(c.desc, c.Kind.value(), value, labels...)
		if err != nil {
			m = prometheus.NewInvalidMetric(c.desc, err)
		}
		out <- m
	})
}
