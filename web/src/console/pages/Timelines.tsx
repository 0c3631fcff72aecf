import { Text } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { useTimelines } from "../../api/hooks";
import { PastRoom } from "../parts/PastRoom";
import { ReplayCard } from "../parts/ReplayCard";
import { TimelineTable } from "../parts/TimelineTable";

/** Every stream that has a past. */
export default function Timelines() {
  const { t } = useTranslation();
  const query = useTimelines();
  const items = query.data ?? [];
  return (
    <PastRoom title={t("timeline.list")} path="/timelines">
      {items.length > 0 && <TimelineTable items={items} />}
      <ReplayCard />
      {query.isSuccess && items.length === 0 && <Text c="dimmed">{t("timeline.none")}</Text>}
    </PastRoom>
  );
}
