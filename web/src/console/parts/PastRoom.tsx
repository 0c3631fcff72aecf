import { Stack, Title } from "@mantine/core";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { useTitle } from "../../lib/page";
import { Curl } from "./Curl";
import { PastTabs } from "./RoomTabs";

/** What the pages of the past share: one heading, and the way from one to the other. */
export function PastRoom({ title, path, children }: { title: string; path: string; children: ReactNode }) {
  const { t } = useTranslation();
  useTitle(title);
  return (
    <Stack gap="md">
      <div className="titlerow">
        <Title order={1} size="h2">
          {t("nav.recordings")}
        </Title>
        <Curl path={path} />
      </div>
      <PastTabs />
      {children}
    </Stack>
  );
}
