import { Stack, Text, Title } from "@mantine/core";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { useRelays } from "../../api/hooks";
import { useTitle } from "../../lib/page";
import { PullModal } from "../parts/PullModal";
import { PushModal } from "../parts/PushCard";
import { RelayRow } from "../parts/RelayRow";
import { RoomTabs } from "../parts/RoomTabs";
import { Adding, Section } from "../parts/Section";

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
        <Relayed kind="pulls" />
        <Relayed kind="pushes" />
      </div>
    </Stack>
  );
}

function Relayed({ kind }: { kind: "pulls" | "pushes" }) {
  const { t } = useTranslation();
  const [open, setOpen] = useState(false);
  const query = useRelays(kind);
  const key = kind === "pulls" ? "pull" : "push";
  const items = query.data ?? [];
  return (
    <Section
      id={`${kind}-title`}
      title={t(`relays.${kind}`)}
      aside={<Adding path={`/${kind}`} text={t(`${key}.add`)} onAdd={() => setOpen(true)} />}
      text={t(`${key}.text`)}
    >
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
    </Section>
  );
}
