package replay

import (
	"testing"
	"testing/synctest"
	"time"

	"weir/internal/control/session"
	"weir/internal/fault"
)

func TestDesk(t *testing.T) {
	bubble(t, func(s *stage) {
		door := session.New(session.Config{}, quiet)
		defer door.Close()
		desk := NewDesk(s.store, s.hub, door, quiet)
		c := s.camera(true)
		begun := c.from
		c.shoot(10 * time.Second)
		c.off()
		for code, o := range map[string]Options{
			"no_footage":         {Timeline: "live/none", Name: "replay/x"},
			"replay_onto_itself": {Timeline: "live/cam", Name: "live/cam"},
			"name_bad_char":      {Timeline: "live/cam", Name: "a?b"},
			"replay_speed":       {Timeline: "live/cam", Name: "replay/x", Speed: 100},
		} {
			if _, err := desk.Start(s.t.Context(), o); fault.Code(err) != code {
				t.Errorf("%s: %v", code, err)
			}
		}
		o := Options{Timeline: "live/cam", Name: "replay/cam", From: begun, To: begun.Add(8 * time.Second), Loop: true}
		first, err := desk.Start(s.t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		if s.hub.Stream("replay/cam") == nil || s.hub.Stream("replay/cam").Publisher().Session != first.ID {
			t.Error("Start returned before the stream was there")
		}
		if _, err := desk.Start(s.t.Context(), o); fault.Code(err) != "stream_busy" {
			t.Errorf("a second one of the same name: %v", err)
		}
		time.Sleep(20 * time.Second)
		if list := desk.List(); len(list) != 1 || list[0].ID != first.ID || list[0].Bytes == 0 || list[0].Speed != 1 {
			t.Errorf("%+v", list)
		}
		if err := desk.Stop(first.ID); err != nil {
			t.Fatal(err)
		}
		if err := desk.Stop(first.ID); fault.Code(err) != "replay_unknown" || s.hub.Stream("replay/cam") != nil {
			t.Errorf("stopped twice: %v", err)
		}
		o.Loop = false
		if _, err := desk.Start(s.t.Context(), o); err != nil {
			t.Fatal(err)
		}
		time.Sleep(9 * time.Second)
		synctest.Wait()
		if list := desk.List(); len(list) != 0 {
			t.Errorf("it goes on after its end: %+v", list)
		}
		kicked, err := desk.Start(s.t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		door.Kick(kicked.ID, fault.New(fault.Forbidden, "kicked", "Kicked.", ""))
		synctest.Wait()
		if st := desk.Stats(); st.Replays != 0 || st.Panics != 0 {
			t.Errorf("%+v", st)
		}
		if _, err := desk.Start(s.t.Context(), o); err != nil {
			t.Fatal(err)
		}
		desk.Close()
		if _, err := desk.Start(s.t.Context(), o); fault.Code(err) != "server_stopping" {
			t.Errorf("after Close: %v", err)
		}
	})
}
