import "../player/element";
import { type RefObject, useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { StatePill } from "../console/parts/StatePill";
import { copyText } from "../lib/clipboard";
import { momentRange, pathOf } from "../lib/format";
import { clockText, parseMoment, writeMoment } from "../lib/moment";
import { useFavicon, useTitle } from "../lib/page";
import type { View } from "../player/brain";
import { Frame } from "./Frame";

/** The page a link leads to: the player, the name, and for the owner of a silent stream how to publish to it. */
export function WatchPage({ name }: { name: string }) {
  const { t, i18n } = useTranslation();
  const [view, setView] = useState<View>();
  const box = useRef<HTMLDivElement>(null);
  const query = new URLSearchParams(location.search);
  useEffect(() => {
    const node = box.current;
    const heard = (e: Event) => setView((e as CustomEvent<View>).detail);
    node?.addEventListener("weir-view", heard);
    return () => node?.removeEventListener("weir-view", heard);
  }, []);
  const playing = view?.phase === "playing" && !view.past;
  const state = playing ? "live" : (view?.info?.state ?? "idle");
  const known = playing || view?.info !== undefined; // who may not watch is not told whether it is on
  const range = rangeOf(query);
  useTitle(name);
  useFavicon(state === "live");
  return (
    <Frame dark>
      <div className="stage" ref={box}>
        <weir-player
          src={name}
          hotkeys="page"
          lang={i18n.language}
          mode={query.get("mode") ?? undefined}
          latency={query.get("latency") ?? undefined}
          playback-key={query.get("key") ?? undefined}
          at={query.get("at") ?? undefined}
          from={query.get("from") ?? undefined}
          to={query.get("to") ?? undefined}
        />
      </div>
      <section className="about">
        <div>
          <h1>{name.split("/").at(-1)}</h1>
          <p className="about-line">
            {range ? (
              <span className="pill">{t("watch.recording")}</span>
            ) : (
              known && <StatePill state={state} />
            )}
            <span className="muted mono">{name}</span>
            {range && <span className="muted num">{momentRange(i18n.language, range.from, range.to)}</span>}
          </p>
        </div>
        <Share name={name} box={box} past={view?.past ?? false} />
      </section>
      {view?.info?.is_owner && view.phase === "waiting" && (
        <aside className="owner">
          <div>
            <h2>{t("watch.ownerTitle")}</h2>
            <p className="muted">{t("watch.ownerText")}</p>
          </div>
          <a className="button" href={`/console/live/${pathOf(name)}/publish`}>
            {t("publish.title")}
          </a>
        </aside>
      )}
    </Frame>
  );
}

/** The range of the past that the address names, if it has an end. */
function rangeOf(query: URLSearchParams): { from: number; to: number } | undefined {
  const [from, to] = [parseMoment(query.get("from"), Date.now()), parseMoment(query.get("to"), Date.now())];
  return from !== undefined && to !== undefined ? { from, to } : undefined;
}

function Share({ name, box, past }: { name: string; box: RefObject<HTMLElement | null>; past: boolean }) {
  const { t } = useTranslation();
  const [done, setDone] = useState("");
  const wall = useWall(box, past);
  const copy = async (what: string, text: string) => {
    if (!(await copyText(text))) return window.prompt(t("copy.byHand"), text);
    setDone(what);
    setTimeout(() => setDone(""), 2500);
  };
  const link = `${location.origin}/${pathOf(name)}`;
  const embed = `<iframe src="${link}/embed" width="640" height="360" allow="autoplay; fullscreen; picture-in-picture" style="border:0"></iframe>`;
  const here = wall && `${link}?at=${writeMoment(Math.floor(wall / 1000) * 1000)}`;
  return (
    <div className="share">
      {here && (
        <button type="button" className="button plain num" onClick={() => void copy("here", here)}>
          {done === "here" ? t("watch.copied") : t("watch.copyAt", { time: clockText(wall) })}
        </button>
      )}
      <button type="button" className="button plain" onClick={() => void copy("link", link)}>
        {t(done === "link" ? "watch.copied" : "watch.copyLink")}
      </button>
      <button type="button" className="button plain" onClick={() => void copy("embed", embed)}>
        {t(done === "embed" ? "watch.copied" : "watch.copyEmbed")}
      </button>
      <span className="visually-hidden" role="status">
        {done ? t("watch.copied") : ""}
      </span>
    </div>
  );
}

/** The moment on screen, while that is one of the past. */
function useWall(box: RefObject<HTMLElement | null>, on: boolean): number | undefined {
  const [wall, setWall] = useState<number>();
  useEffect(() => {
    if (!on) {
      setWall(undefined);
      return;
    }
    const look = () => setWall(box.current?.querySelector("weir-player")?.wall);
    look();
    const timer = setInterval(look, 1000);
    return () => clearInterval(timer);
  }, [on, box]);
  return wall;
}
