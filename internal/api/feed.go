package api

import (
	"context"
	"time"

	"weir/internal/app/recordings"
	"weir/internal/control/session"
	"weir/internal/fault"
	"weir/internal/hub"
)

// feed turns what the rooms tell into events, and takes the figures of each second.
func (a *API) feed(ctx context.Context) {
	defer a.watched.stop()
	streams, door, kept := a.watched.streams, a.watched.door, a.watched.kept
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for streams != nil || door != nil {
		select {
		case <-ctx.Done():
			return
		case e, ok := <-streams:
			if !ok {
				streams = nil // the hub is closed
				continue
			}
			a.tellStream(e)
		case e, ok := <-door:
			if !ok {
				door = nil
				continue
			}
			a.tellDoor(e)
		case e := <-kept:
			a.tellKept(&e)
		case now := <-ticker.C:
			a.tick(now)
		}
	}
	<-ctx.Done()
}

// watched is what the feed reads.
type watched struct {
	streams <-chan hub.Event
	door    <-chan session.Event
	kept    <-chan recordings.Event // nil: nothing is kept
	stops   []func()
}

func (a *API) watchRooms() (w watched) {
	var stop func()
	w.streams, stop = a.deps.Hub.Watch()
	w.stops = append(w.stops, stop)
	w.door, stop = a.deps.Door.Watch()
	w.stops = append(w.stops, stop)
	if a.deps.Kept != nil {
		w.kept, stop = a.deps.Kept.Watch()
		w.stops = append(w.stops, stop)
	}
	return w
}

func (w *watched) stop() {
	for _, stop := range w.stops {
		stop()
	}
}

type streamData struct {
	Name      string     `json:"name"`
	State     string     `json:"state"`
	Publisher *Publisher `json:"publisher,omitempty"`
	Cause     *causeData `json:"cause,omitempty"`
}

type causeData struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Remedy  string `json:"remedy,omitempty"`
}

func causeOf(err error) *causeData {
	if err == nil {
		return nil
	}
	f := fault.Of(err)
	return &causeData{Code: f.Code, Message: f.Message, Remedy: f.Remedy}
}

func (a *API) tellStream(e hub.Event) {
	kinds := map[hub.EventType]string{hub.Started: streamStarted, hub.WentAway: streamAway, hub.Returned: streamReturned, hub.Ended: streamEnded}
	kind, ok := kinds[e.Type]
	if !ok {
		return
	}
	states := map[hub.EventType]string{hub.Started: "live", hub.WentAway: "away", hub.Returned: "live", hub.Ended: "idle"}
	data := streamData{Name: e.Stream.Name(), State: states[e.Type], Cause: causeOf(e.Cause)}
	if e.Type == hub.Started || e.Type == hub.Returned {
		o := e.Stream.Publisher()
		data.Publisher = &Publisher{Protocol: o.Protocol, Remote: o.Remote, Software: o.Software, SessionID: o.Session}
	}
	a.events.publish(kind, time.Now(), data)
}

type refusedData struct {
	Name     string `json:"name"`
	Remote   string `json:"remote"`
	Protocol string `json:"protocol"`
	Code     string `json:"code"`
	Message  string `json:"message"`
	Remedy   string `json:"remedy"`
}

type sessionData struct {
	Connection
	Cause *causeData `json:"cause,omitempty"`
}

func (a *API) tellDoor(e session.Event) {
	now := time.Now()
	switch e.Type {
	case session.Refused:
		if e.Info.Action != session.Publish { // a viewer without a key is no news
			return
		}
		a.events.publish(publishRefused, now, refusedData{
			Name: e.Info.Name, Remote: e.Attempt.Remote, Protocol: e.Attempt.Protocol, Code: e.Attempt.Code, Message: e.Attempt.Message, Remedy: e.Attempt.Remedy,
		})
	case session.Opened:
		a.events.publish(sessionOpened, now, sessionData{Connection: connectionOf(&e.Info)})
	case session.Closed:
		a.events.publish(sessionClosed, now, sessionData{Connection: connectionOf(&e.Info), Cause: causeOf(e.Cause)})
	}
}

type alarmData struct {
	Code    string    `json:"code"`
	Stream  string    `json:"stream,omitempty"`
	Message string    `json:"message"`
	Remedy  string    `json:"remedy,omitempty"`
	At      time.Time `json:"at"`
}

// tellKept tells of recordings and of the disk.
func (a *API) tellKept(e *recordings.Event) {
	kinds := map[string]string{
		recordings.Started: recordingStarted, recordings.Finished: recordingFinished, recordings.Deleted: recordingDeleted,
		recordings.Alarmed: storageAlarm, recordings.Relieved: storageOK,
	}
	kind := kinds[e.Kind]
	if kind == storageAlarm || kind == storageOK {
		a.events.publish(kind, time.Now(), alarmData{Code: e.Alarm.Code, Stream: e.Alarm.Timeline, Message: e.Alarm.Message, Remedy: e.Alarm.Remedy, At: e.Alarm.At.UTC()})
		return
	}
	a.events.publish(kind, time.Now(), recordingOf(&e.Record))
}

type updatedData struct {
	Name    string `json:"name"`
	InBPS   int64  `json:"in_bps"`
	Viewers int    `json:"viewers"`
	Grade   string `json:"grade"`
}

// tick takes the figures of a second.
func (a *API) tick(now time.Time) {
	totals := a.totals()
	a.history.add(Traffic{At: now.UTC(), InBPS: totals.InBPS, OutBPS: totals.OutBPS})
	if !a.events.listened() {
		return
	}
	a.events.publish(systemTick, now, totals)
	for _, s := range a.deps.Streams.List("", 0, func(s hub.State) bool { return s == hub.Live }) {
		a.events.publish(streamUpdated, now, updatedData{Name: s.Name, InBPS: s.InBPS, Viewers: s.Viewers, Grade: s.Report.Grade})
	}
}
