import { Table } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";
import type { Timeline } from "../../api/types";
import { keepKind } from "../../lib/forecast";
import { bytes, moment } from "../../lib/format";
import { spanText } from "../../lib/keep";
import { timelinePage } from "../paths";
import { StatePill } from "./StatePill";

/** What each stream's past takes, from when it is, and how long it stays. */
export function TimelineTable({ items }: { items: Timeline[] }) {
  const { t, i18n } = useTranslation();
  const lang = i18n.language;
  return (
    <Table className="rows comfortable recordings">
      <Table.Thead>
        <Table.Tr>
          <Table.Th>{t("stream.name")}</Table.Th>
          <Table.Th ta="right">{t("recording.size")}</Table.Th>
          <Table.Th>{t("timeline.oldest")}</Table.Th>
          <Table.Th>{t("timeline.newest")}</Table.Th>
          <Table.Th>{t("timeline.keep")}</Table.Th>
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {items.map((x) => (
          <Table.Tr key={x.name}>
            <Table.Td className="rec-title">
              <div className="rec-sub">
                <Link to={timelinePage(x.name)} className="mono">
                  {x.name}
                </Link>
                {x.live && <StatePill state="live" />}
                {x.held_bytes > 0 && (
                  <span className="tag">{t("storage.heldSize", { size: bytes(lang, x.held_bytes) })}</span>
                )}
              </div>
            </Table.Td>
            <Table.Td ta="right" className="num" data-label={t("recording.size")}>
              {bytes(lang, x.bytes)}
            </Table.Td>
            <Table.Td className="num" data-label={t("timeline.oldest")}>
              {x.from ? moment(lang, x.from) : "–"}
            </Table.Td>
            <Table.Td className="num" data-label={t("timeline.newest")}>
              {x.live ? t("timeline.now") : x.to ? moment(lang, x.to) : "–"}
            </Table.Td>
            <Table.Td className="num" data-label={t("timeline.keep")}>
              {keepWords(x)}
            </Table.Td>
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Table>
  );

  function keepWords(x: Timeline): string {
    const kind = keepKind(x.keep_s);
    const time = kind === "time" ? spanText(lang, x.keep_s) : t(`timeline.keeps.${kind}`);
    return x.keep_bytes > 0 ? t("timeline.keepBoth", { time, size: bytes(lang, x.keep_bytes) }) : time;
  }
}
