import { SegmentedControl, Table } from "@mantine/core";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";
import type { Stream } from "../../api/types";
import { bitrate, count } from "../../lib/format";
import { useLevel } from "../../lib/levels";
import { recall, remember } from "../../player/memory";
import { streamPage } from "../paths";
import { LevelLine } from "./LevelLine";
import { RecordIcon } from "./RecordButton";
import { StatePill } from "./StatePill";
import { findingText } from "./verdict";

export function StreamTable({ streams }: { streams: Stream[] }) {
  const { t } = useTranslation();
  const [density, setDensity] = useState(recall("density") ?? "comfortable");
  return (
    <div>
      <SegmentedControl
        size="xs"
        mb="xs"
        value={density}
        aria-label={t("density.title")}
        onChange={(v) => {
          setDensity(v);
          remember("density", v);
        }}
        data={[
          { value: "comfortable", label: t("density.comfortable") },
          { value: "compact", label: t("density.compact") },
        ]}
      />
      <Table.ScrollContainer minWidth={720} tabIndex={0} aria-label={t("live.streams")}>
        <Table className={`rows streams ${density}`} highlightOnHover>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>{t("stream.name")}</Table.Th>
              <Table.Th>{t("stream.state")}</Table.Th>
              <Table.Th>{t("stream.format")}</Table.Th>
              <Table.Th ta="right">{t("viewers.now")}</Table.Th>
              <Table.Th ta="right">{t("graph.bitrate")}</Table.Th>
              <Table.Th>{t("stream.level")}</Table.Th>
              <Table.Th>{t("recording.start")}</Table.Th>
              <Table.Th>{t("verdict.title")}</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {streams.map((s) => (
              <Row key={s.name} stream={s} />
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
    </div>
  );
}

function Row({ stream }: { stream: Stream }) {
  const { t, i18n } = useTranslation();
  const lang = i18n.language;
  const level = useLevel(stream.name);
  const video = stream.tracks?.find((x) => x.kind === "video");
  const finding = stream.verdict?.findings?.[0];
  const format = video ? `${video.codec} ${video.width}×${video.height}` : (stream.tracks?.[0]?.codec ?? "–");
  return (
    <Table.Tr>
      <Table.Td>
        <Link to={streamPage(stream.name)} className="mono">
          {stream.name}
        </Link>
      </Table.Td>
      <Table.Td>
        <StatePill state={stream.state} since={stream.since} />
      </Table.Td>
      <Table.Td className="num">{format}</Table.Td>
      <Table.Td ta="right" className="num">
        {count(lang, stream.viewers)}
      </Table.Td>
      <Table.Td ta="right" className="num">
        {bitrate(lang, stream.in_bps)}
      </Table.Td>
      <Table.Td>
        <LevelLine values={level} width={120} height={20} />
      </Table.Td>
      <Table.Td>
        <RecordIcon name={stream.name} possible={stream.state === "live"} />
      </Table.Td>
      <Table.Td>
        {finding ? findingText(lang, finding).message : t(`verdict.grade.${stream.verdict?.grade ?? "none"}`)}
      </Table.Td>
    </Table.Tr>
  );
}
