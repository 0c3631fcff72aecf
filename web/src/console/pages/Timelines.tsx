import { Stack, Text, Title } from "@mantine/core";
import { useEffect } from "react";
import { useTranslation } from "react-i18next";
import { useTimelines } from "../../api/hooks";
import { Curl } from "../parts/Curl";
import { PastTabs } from "../parts/RoomTabs";
import { TimelineTable } from "../parts/TimelineTable";

/** Every stream that has a past. */
export default function Timelines() {
  const { t } = useTranslation();
  const query = useTimelines();
  const items = query.data ?? [];
  useEffect(() => {
    document.title = `${t("timeline.list")} · Weir`;
  }, [t]);
  return (
    <Stack gap="md">
      <div className="titlerow">
        <Title order={1} size="h2">
          {t("nav.recordings")}
        </Title>
        <Curl path="/timelines" />
      </div>
      <PastTabs />
      {items.length > 0 && <TimelineTable items={items} />}
      {query.isSuccess && items.length === 0 && <Text c="dimmed">{t("timeline.none")}</Text>}
    </Stack>
  );
}
