import { IconVolume } from "@tabler/icons-react";
import { type RefObject, useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import type { Stream } from "../../api/types";
import { Logo } from "./Logo";

const every = 3000;

/**
 * The stream's latest picture, renewed every three seconds without a flash: the new one is shown once it is whole. Asked
 * for only where it is seen: of a list of hundreds that is a dozen.
 */
export function Thumb({ stream }: { stream: Pick<Stream, "name" | "state" | "thumbnail"> }) {
  const [url, setUrl] = useState<string>();
  const live = stream.state === "live";
  const base = stream.thumbnail;
  const { t } = useTranslation();
  const sound = !base && stream.state !== "idle";
  const missed = useRef(0);
  const box = useRef<HTMLSpanElement>(null);
  const near = useNear(box);
  useEffect(() => {
    if (!base || stream.state === "idle") return setUrl(undefined); // sound alone, or nothing at all
    if (!near) return;
    let gone = false;
    let timer: ReturnType<typeof setTimeout>;
    const next = () => {
      const image = new Image();
      const src = `${base}${base.includes("?") ? "&" : "?"}t=${Math.floor(Date.now() / 1000)}`;
      const again = () => {
        if (gone || !live) return;
        // A server without FFmpeg has no pictures at all: ask less and less often.
        timer = setTimeout(next, every * Math.min(10, 1 + missed.current));
      };
      image.onload = () => {
        missed.current = 0;
        if (!gone) setUrl(src);
        again();
      };
      image.onerror = () => {
        missed.current++;
        again();
      };
      image.src = src;
    };
    next();
    return () => {
      gone = true;
      clearTimeout(timer);
    };
  }, [base, live, near, stream.state]);
  return (
    <span ref={box} className={`thumb ${live ? "" : "away"}`}>
      {url && <CrossFade url={url} />}
      {!url && !sound && <Logo size={40} />}
      {sound && (
        <span className="sound-alone">
          <IconVolume size={32} stroke={1.5} aria-hidden />
          {t("live.soundAlone")}
        </span>
      )}
    </span>
  );
}

/** Whether it is on screen, or soon will be. */
function useNear(box: RefObject<HTMLElement | null>): boolean {
  const [near, setNear] = useState(false);
  useEffect(() => {
    const watch = new IntersectionObserver((seen) => setNear(seen.at(-1)?.isIntersecting ?? false), {
      rootMargin: "200px",
    });
    if (box.current) watch.observe(box.current);
    return () => watch.disconnect();
  }, [box]);
  return near;
}

function CrossFade({ url }: { url: string }) {
  const [pair, setPair] = useState<{ under?: string; top: string }>({ top: url });
  if (pair.top !== url) setPair({ under: pair.top, top: url });
  return (
    <>
      {pair.under && <img src={pair.under} alt="" />}
      <img key={pair.top} src={pair.top} alt="" className="fade" />
    </>
  );
}
