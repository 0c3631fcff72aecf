import { IconEye } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";
import type { Stream } from "../../api/types";
import { bitrate, count } from "../../lib/format";
import { useLevel } from "../../lib/levels";
import { streamPage } from "../paths";
import { LevelLine } from "./LevelLine";
import { RecordIcon } from "./RecordButton";
import { StatePill } from "./StatePill";
import { Thumb } from "./Thumb";
import { findingText } from "./verdict";

export function StreamCard({ stream }: { stream: Stream }) {
  const { t, i18n } = useTranslation();
  const level = useLevel(stream.name);
  const lang = i18n.language;
  const title = stream.name.split("/").at(-1) ?? stream.name;
  const finding = stream.verdict?.findings?.[0];
  return (
    <article className="card">
      <Link to={streamPage(stream.name)} className="card-link">
        <span className="visually-hidden">{stream.name}</span>
        <Thumb stream={stream} />
        <span className="over left">
          <StatePill state={stream.state} since={stream.since} />
        </span>
        <span className="over right num" title={t("viewers.now")}>
          <IconEye size={14} aria-hidden /> {count(lang, stream.viewers)}
          <span className="visually-hidden"> {t("viewers.now")}</span>
        </span>
      </Link>
      <div className="card-body">
        <div className="card-title">
          <strong title={stream.name}>{title}</strong>
          <span className="num muted">{bitrate(lang, stream.in_bps)}</span>
        </div>
        <div className="card-title">
          <code className="mono muted">{stream.name}</code>
          <RecordIcon name={stream.name} possible={stream.state === "live"} />
        </div>
        <LevelLine values={level} />
        {finding && stream.verdict?.grade !== "good" && (
          <p className={`card-verdict ${stream.verdict?.grade}`}>{findingText(lang, finding).message}</p>
        )}
      </div>
    </article>
  );
}
