import { Button, Card, Group, Stack, Text, Title } from "@mantine/core";
import { IconPlus } from "@tabler/icons-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { useRelays } from "../../api/hooks";
import { useTitle } from "../../lib/page";
import { Curl } from "../parts/Curl";
import { PullModal } from "../parts/PullModal";
import { PushModal } from "../parts/PushCard";
import { RelayRow } from "../parts/RelayRow";
import { RoomTabs } from "../parts/RoomTabs";

export default function Relays() {
  const { t } = useTranslation();
  useTitle(t("relays.title"));
  return (
    <Stack gap="md">
      <Title order={1} size="h2">
        {t("nav.live")}
      </Title>
      <RoomTabs />
      <div className="twocol">
        <Section kind="pulls" />
        <Section kind="pushes" />
      </div>
    </Stack>
  );
}

function Section({ kind }: { kind: "pulls" | "pushes" }) {
  const { t } = useTranslation();
  const [open, setOpen] = useState(false);
  const query = useRelays(kind);
  const key = kind === "pulls" ? "pull" : "push";
  const items = query.data ?? [];
  return (
    <Card component="section" aria-labelledby={`${kind}-title`}>
      <Group justify="space-between">
        <Title order={2} size="h3" id={`${kind}-title`}>
          {t(`relays.${kind}`)}
        </Title>
        <Group gap={4}>
          <Curl path={`/${kind}`} />
          <Button
            variant="default"
            size="xs"
            leftSection={<IconPlus size={16} />}
            onClick={() => setOpen(true)}
          >
            {t(`${key}.add`)}
          </Button>
        </Group>
      </Group>
      <Text c="dimmed" mt={4} mb="sm">
        {t(`${key}.text`)}
      </Text>
      <ul className="relays">
        {items.map((x) => (
          <RelayRow key={x.id} kind={kind} relay={x} showStream />
        ))}
      </ul>
      {query.isSuccess && items.length === 0 && <Text>{t(`relays.none.${kind}`)}</Text>}
      {kind === "pulls" ? (
        <PullModal opened={open} onClose={() => setOpen(false)} />
      ) : (
        <PushModal name="" opened={open} onClose={() => setOpen(false)} />
      )}
    </Card>
  );
}
