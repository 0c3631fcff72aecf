import { act, cleanup, render } from "@testing-library/react";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Thumb } from "../src/console/parts/Thumb";

describe("a thumbnail", () => {
  let asked: string[] = [];
  let see: (isIntersecting: boolean) => void = () => {};
  beforeEach(() => {
    asked = [];
    vi.useFakeTimers();
    vi.stubGlobal(
      "Image",
      class {
        onload?: () => void;
        set src(url: string) {
          asked.push(url);
          queueMicrotask(() => this.onload?.());
        }
      },
    );
    vi.stubGlobal(
      "IntersectionObserver",
      class {
        constructor(tell: (seen: { isIntersecting: boolean }[]) => void) {
          see = (isIntersecting) => act(() => tell([{ isIntersecting }]));
        }
        observe() {}
        disconnect() {}
      },
    );
  });
  afterEach(() => {
    cleanup();
    vi.useRealTimers();
    vi.unstubAllGlobals();
  });
  const wait = () => act(() => vi.advanceTimersByTimeAsync(9500));
  const stream = (state: "live" | "away" | "idle", thumbnail = "/live/show/poster.jpg") => ({
    name: "live/show",
    state,
    thumbnail,
  });

  it("is asked for while it is on screen, and no longer", async () => {
    render(<Thumb stream={stream("live")} />);
    await wait();
    expect(asked).toEqual([]);
    see(true);
    await wait();
    expect(asked.length).toBe(4);
    see(false);
    await wait();
    expect(asked.length).toBe(4);
  });
  it("is not asked for where there is none", async () => {
    const idle = render(<Thumb stream={stream("idle")} />);
    see(true);
    await wait();
    expect(asked).toEqual([]);
    expect(idle.container.querySelector(".sound-alone")).toBeNull();
    const sound = render(<Thumb stream={stream("live", "")} />);
    see(true);
    await wait();
    expect(asked).toEqual([]);
    expect(sound.container.querySelector(".sound-alone")).not.toBeNull();
  });
});
