import "../player/element";
import { useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { StatePill } from "../console/parts/StatePill";
import { copyText } from "../lib/clipboard";
import { pathOf } from "../lib/format";
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
  const state = view?.phase === "playing" ? "live" : (view?.info?.state ?? "idle");
  useEffect(() => {
    document.title = `${name} · Weir`;
    const link = document.querySelector<HTMLLinkElement>("link[rel=icon]");
    if (link) link.href = state === "live" ? "/assets/favicon-live.svg" : "/assets/favicon.svg";
  }, [name, state]);
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
        />
      </div>
      <section className="about">
        <div>
          <h1>{name.split("/").at(-1)}</h1>
          <p className="about-line">
            <StatePill state={state} />
            <span className="muted mono">{name}</span>
          </p>
        </div>
        <Share name={name} />
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

function Share({ name }: { name: string }) {
  const { t } = useTranslation();
  const [done, setDone] = useState("");
  const copy = async (what: string, text: string) => {
    if (!(await copyText(text))) return window.prompt(t("copy.byHand"), text);
    setDone(what);
    setTimeout(() => setDone(""), 2500);
  };
  const link = `${location.origin}/${pathOf(name)}`;
  const embed = `<iframe src="${link}/embed" width="640" height="360" allow="autoplay; fullscreen; picture-in-picture" style="border:0"></iframe>`;
  return (
    <div className="share">
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
