import { Anchor } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import type { TFunction } from "i18next";
import { useCallback } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";
import { useAttempts, useServerEvent, useSessions, useStream } from "../../api/hooks";
import type { Attempt, ServerEvent, Stream } from "../../api/types";
import { serverText } from "../../i18n/server";
import { ago, bitrate, decimal, frameRate } from "../../lib/format";
import { useNow } from "../parts/StatePill";
import { Thumb } from "../parts/Thumb";
import { streamPage } from "../paths";

export type Colour = "grey" | "blue" | "green" | "red";

/** How long a refused attempt stays the most important thing to say. */
const refusedFor = 20_000;

/**
 * What the strip says is decided by what the server reports, never by a timer or a press:
 * frames of a live publisher are green, a publisher without a picture is blue, and a
 * refused attempt by this very name is red while nothing is live.
 */
export function colourOf(
  stream: Stream | null,
  publishing: boolean,
  last: Attempt | undefined,
  now: number,
): Colour {
  if (stream?.state === "live" && receiving(stream)) return "green";
  const refused = last && now - new Date(last.at).getTime() < refusedFor;
  // Whoever got in after being refused has solved it; a later outage is another story.
  const older = stream?.since && last && new Date(last.at) < new Date(stream.since);
  if (refused && !older) return "red";
  if (stream?.state === "live" || publishing) return "blue";
  return "grey";
}

/** Frames have come: a picture has a size only once its first key frame was read. */
function receiving(s: Stream): boolean {
  const tracks = s.tracks ?? [];
  const video = tracks.find((x) => x.kind === "video");
  return video ? (video.width ?? 0) > 0 : tracks.length > 0;
}

export function Strip({ name }: { name: string }) {
  const { t, i18n } = useTranslation();
  const client = useQueryClient();
  const stream = useStream(name, 700).data ?? null;
  const publishing = (useSessions(name, "publish", 1000).data ?? []).length > 0;
  const last = newest(useAttempts(name).data ?? []);
  const now = useNow(true);
  const heard = useCallback(
    (e: ServerEvent) => {
      if ((e.data?.name ?? e.data?.stream) !== name) return;
      for (const key of ["stream", "attempts", "sessions"])
        void client.invalidateQueries({ queryKey: [key, name] });
    },
    [client, name],
  );
  useServerEvent(heard);
  const colour = colourOf(stream, publishing, last, now);
  return (
    <div className={`strip ${colour}`} data-testid="strip" data-state={colour}>
      <span className="strip-dot" aria-hidden="true" />
      <p role="status" className="num">
        {colour === "green" && stream ? receivingText(i18n.language, stream, t) : null}
        {colour === "red" && last ? refusedText(i18n.language, last, now, t) : null}
        {colour === "blue" && t("strip.blue")}
        {colour === "grey" && t(stream?.state === "away" ? "strip.away" : "strip.grey")}
      </p>
      {colour === "green" && stream && (
        <>
          <Thumb stream={stream} />
          <Anchor component={Link} href={streamPage(name)}>
            {t("strip.open")}
          </Anchor>
        </>
      )}
    </div>
  );
}

function newest(list: Attempt[]): Attempt | undefined {
  return list.toSorted((a, b) => b.at.localeCompare(a.at))[0];
}

function receivingText(lang: string, s: Stream, t: TFunction): string {
  const v = s.tracks?.find((x) => x.kind === "video");
  const a = s.tracks?.find((x) => x.kind === "audio" && !x.derived);
  const parts = v
    ? [
        `${v.codec} ${v.width}×${v.height}`,
        t("track.fps", { n: frameRate(lang, Math.round((v.measured_frame_rate || v.frame_rate) ?? 0)) }),
        bitrate(lang, s.in_bps || v.bitrate_bps),
        v.gop_s ? t("track.gop", { n: decimal(lang, v.gop_s) }) : "",
      ]
    : [a?.codec ?? "", bitrate(lang, s.in_bps)];
  return t("strip.green", { what: parts.filter(Boolean).join(t("comma")) });
}

function refusedText(lang: string, a: Attempt, now: number, t: TFunction): string {
  const said = serverText(lang, a.code, { message: a.message, remedy: a.remedy });
  const remote = a.remote.replace(/:\d+$/, "");
  return t("strip.red", { remote, when: ago(lang, a.at, now), why: said.message });
}
