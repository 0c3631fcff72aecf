import { Button, Text } from "@mantine/core";
import { IconDeviceTv, IconTimeline, IconVideo } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import { streamPath } from "../../api/client";
import { useStream } from "../../api/hooks";
import type { Track } from "../../api/types";
import { bitrate, decimal, frameRate, pathOf } from "../../lib/format";
import { useFavicon, useTitle } from "../../lib/page";
import { Curl } from "../parts/Curl";
import { Graphs } from "../parts/Graphs";
import { Player } from "../parts/Player";
import { PublisherCard } from "../parts/PublisherCard";
import { PushCard } from "../parts/PushCard";
import { RecordButton } from "../parts/RecordButton";
import { HeadLink, StreamHead } from "../parts/StreamHead";
import { VerdictCard } from "../parts/VerdictCard";
import { WatchingCard } from "../parts/WatchingCard";
import { publishPath, timelinePage } from "../paths";

export default function StreamPage({ name }: { name: string }) {
  const { t } = useTranslation();
  const query = useStream(name);
  const stream = query.data ?? null;
  useFavicon(stream?.state === "live");
  useTitle(name);
  return (
    <div className="streampage">
      <StreamHead name={name} stream={stream} room={{ to: "/live", text: t("nav.live") }}>
        <Curl path={streamPath(name)} />
        <RecordButton name={name} possible={stream?.state === "live"} />
        <HeadLink to={timelinePage(name)} icon={IconTimeline} text={t("timeline.title")} />
        <Button
          component="a"
          href={`/${pathOf(name)}`}
          target="_blank"
          rel="noopener"
          variant="default"
          leftSection={<IconDeviceTv size={18} />}
        >
          {t("stream.watchPage")}
        </Button>
        <HeadLink to={publishPath(name)} icon={IconVideo} text={t("publish.title")} />
      </StreamHead>
      <div className="streamgrid">
        <section className="main-col" aria-label={t("stream.preview")}>
          <Player name={name} />
          <TrackList tracks={stream?.tracks ?? []} />
        </section>
        <section className="verdict-col">
          <VerdictCard stream={stream} />
        </section>
        <aside className="side-col">
          <PublisherCard name={name} stream={stream} />
          <WatchingCard name={name} stream={stream} />
          <PushCard name={name} />
        </aside>
        <section className="graph-col" aria-label={t("graph.title")}>
          <Graphs name={name} />
        </section>
      </div>
    </div>
  );
}

function TrackList({ tracks }: { tracks: Track[] }) {
  const { t, i18n } = useTranslation();
  const lang = i18n.language;
  if (tracks.length === 0) return null;
  return (
    <ul className="tracks num">
      {tracks.map((x) => (
        <li key={x.id}>
          <strong>{x.codec}</strong>{" "}
          {x.kind === "video"
            ? [
                `${x.width}×${x.height}`,
                t("track.fps", { n: frameRate(lang, x.measured_frame_rate || x.frame_rate) }),
                x.bitrate_bps ? bitrate(lang, x.bitrate_bps) : "",
                x.gop_s ? t("track.gop", { n: decimal(lang, x.gop_s) }) : "",
                x.b_frames ? t("track.bFrames") : "",
              ]
                .filter(Boolean)
                .join(" · ")
            : [
                x.sample_rate ? `${decimal(lang, x.sample_rate / 1000)} kHz` : "",
                x.channels ? t("track.channels", { count: x.channels, n: x.channels }) : "",
                x.bitrate_bps ? bitrate(lang, x.bitrate_bps) : "",
                x.derived ? t("track.derived") : "",
              ]
                .filter(Boolean)
                .join(" · ")}
        </li>
      ))}
      <li className="muted">
        <Text component="span" size="xs">
          {tracks
            .map((x) => x.codecs)
            .filter(Boolean)
            .join(", ")}
        </Text>
      </li>
    </ul>
  );
}
