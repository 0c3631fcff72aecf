package pipeline

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"weir/internal/faketime"
	"weir/internal/hub"
)

// untilEnd is a recipe that works as long as its stream.
func untilEnd(begun, ended *journal) func(context.Context, *hub.Stream) error {
	return func(ctx context.Context, s *hub.Stream) error {
		begun.note(s.Name())
		select {
		case <-s.Done():
			ended.note(s.Name())
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func TestARecipeRunsAsLongAsItsStream(t *testing.T) {
	var begun, ended journal
	bubble(t, Config{Recipes: []Recipe{{Name: "segment", Run: untilEnd(&begun, &ended)}}}, func(t *testing.T, p *Pipeline, h *hub.Hub) {
		a := publish(t, h, "live/a")
		publish(t, h, "live/b")
		synctest.Wait() // by the event, long before the next look
		if begun.len() != 2 || p.Stats().Recipes != 2 {
			t.Fatalf("%v begun, stats %+v", begun.names, p.Stats())
		}
		a.Close(nil)
		faketime.Pass(10 * time.Second)
		if ended.len() != 0 {
			t.Error("the recipe ended in the grace time")
		}
		publish(t, h, "live/a")
		faketime.Pass(10 * time.Second)
		if begun.len() != 2 {
			t.Error("the recipe began again though the stream went on")
		}
		h.Stream("live/a").Kick(nil)
		faketime.Pass(time.Minute)
		if ended.len() != 1 || p.Stats().Recipes != 1 {
			t.Errorf("%d ended, stats %+v", ended.len(), p.Stats())
		}
		publish(t, h, "live/a")
		synctest.Wait()
		if begun.len() != 3 {
			t.Error("the recipe did not begin for the next stream of that name")
		}
	})
}

func TestAFailingRecipeIsStartedAgainWithGrowingPauses(t *testing.T) {
	for name, fail := range map[string]func() error{
		"error": func() error { return errRefused },
		"panic": func() error { panic("a bug") },
	} {
		t.Run(name, func(t *testing.T) {
			var tries, others journal
			recipes := []Recipe{
				{Name: "bad", Run: func(context.Context, *hub.Stream) error { tries.note("bad"); return fail() }},
				{Name: "good", Run: untilEnd(&others, &journal{})},
			}
			bubble(t, Config{Recipes: recipes}, func(t *testing.T, p *Pipeline, h *hub.Hub) {
				publish(t, h, "live/a")
				faketime.Pass(time.Minute)
				grows(t, tries.gaps(), 100*time.Millisecond, 5*time.Second)
				if n := tries.len(); n < 15 || n > 21 {
					t.Errorf("%d tries in a minute", n)
				}
				if others.len() != 1 {
					t.Error("the other recipe was disturbed")
				}
				if st := p.Stats(); (st.Panics > 0) != (name == "panic") || st.Restarts == 0 {
					t.Errorf("stats %+v", st)
				}
				h.Stream("live/a").Kick(nil)
				faketime.Pass(time.Minute)
				if st := p.Stats(); st.Recipes != 0 {
					t.Errorf("still running after the stream: %+v", st)
				}
			})
		})
	}
}

func TestPausesStartAnewAfterASteadyRun(t *testing.T) {
	var tries journal
	run := func(ctx context.Context, _ *hub.Stream) error {
		if tries.note("") == 6 {
			wait(ctx, steady)
		}
		return errRefused
	}
	bubble(t, Config{Recipes: []Recipe{{Run: run}}}, func(t *testing.T, _ *Pipeline, h *hub.Hub) {
		publish(t, h, "live/a")
		faketime.Pass(15 * time.Second)
		gaps := tries.gaps()
		grows(t, gaps[:5], 100*time.Millisecond, 5*time.Second)
		if g := gaps[5] - steady; g > 100*time.Millisecond {
			t.Errorf("the pause after a steady run is %v", g)
		}
	})
}

func TestRecipesOfOneNameFollowEachOther(t *testing.T) {
	var order journal
	var release chan struct{} // made inside the bubble
	bubble(t, Config{Recipes: []Recipe{{Run: func(_ context.Context, s *hub.Stream) error {
		n := order.note("begin")
		<-s.Done()
		if n == 1 {
			<-release
		}
		order.note("end")
		return nil
	}}}}, func(t *testing.T, _ *Pipeline, h *hub.Hub) {
		release = make(chan struct{})
		first := publish(t, h, "live/a")
		synctest.Wait()
		first.End(nil)
		synctest.Wait()
		second := publish(t, h, "live/a")
		synctest.Wait()
		close(release)
		synctest.Wait()
		second.End(nil)
		synctest.Wait()
		if want := []string{"begin", "end", "begin", "end"}; !slices.Equal(order.names, want) {
			t.Errorf("%v, want %v", order.names, want)
		}
	})
}

func TestARecipeThatOverstaysIsStopped(t *testing.T) {
	var ended journal
	bubble(t, Config{Recipes: []Recipe{{Run: func(ctx context.Context, _ *hub.Stream) error {
		<-ctx.Done()
		ended.note("")
		return context.Cause(ctx)
	}}}}, func(t *testing.T, p *Pipeline, h *hub.Hub) {
		pub := publish(t, h, "live/a")
		synctest.Wait()
		pub.End(nil)
		faketime.Pass(4 * time.Second)
		if ended.len() != 0 {
			t.Error("stopped too soon to finish")
		}
		faketime.Pass(6 * time.Second)
		if ended.len() != 1 || p.Stats().Recipes != 0 {
			t.Error("not stopped")
		}
	})
}

func TestWantsIsAskedAgain(t *testing.T) {
	var begun, asked journal
	wants := func(*hub.Stream) bool { n := asked.note(""); return n >= 3 && n < 6 }
	bubble(t, Config{Recipes: []Recipe{{Run: untilEnd(&begun, &journal{}), Wants: wants}}}, func(t *testing.T, p *Pipeline, h *hub.Hub) {
		publish(t, h, "live/a")
		synctest.Wait()
		if begun.len() != 0 {
			t.Fatal("begun unwanted")
		}
		faketime.Pass(6 * time.Second)
		if begun.len() != 1 || p.Stats().Recipes != 1 {
			t.Fatal("not begun when wanted")
		}
		faketime.Pass(10 * time.Second)
		if begun.len() != 1 || p.Stats().Recipes != 0 {
			t.Error("not ended when no longer wanted")
		}
	})
}

func TestUnlistedStreamsAreLeftAlone(t *testing.T) {
	var begun journal
	bubble(t, Config{Recipes: []Recipe{{Run: untilEnd(&begun, &journal{})}}}, func(t *testing.T, _ *Pipeline, h *hub.Hub) {
		p := publish(t, h, "live/listed")
		o := hub.Offer{Name: "live/hidden", Tracks: p.Stream().Tracks(), Unlisted: true}
		if _, err := h.Publish(o); err != nil {
			t.Fatal(err)
		}
		faketime.Pass(5 * time.Second)
		if want := []string{"live/listed"}; !slices.Equal(begun.names, want) {
			t.Errorf("%v, want %v", begun.names, want)
		}
	})
}

func TestNoStreamIsMissedWhenEventsAreDropped(t *testing.T) {
	var begun journal
	bubble(t, Config{Recipes: []Recipe{{Run: untilEnd(&begun, &journal{})}}}, func(t *testing.T, _ *Pipeline, h *hub.Hub) {
		for i := range 1000 { // the hub keeps 256 events for a watcher
			publish(t, h, "live/"+string(rune('a'+i%26))+string(rune('a'+i/26%26))+string(rune('a'+i/676)))
		}
		faketime.Pass(2 * time.Second)
		if begun.len() != 1000 {
			t.Errorf("%d of 1000", begun.len())
		}
	})
}
