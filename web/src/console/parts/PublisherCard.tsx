import { Button } from "@mantine/core";
import { IconPlugConnectedX } from "@tabler/icons-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { del, streamPath } from "../../api/client";
import { useChange, useTestSources } from "../../api/hooks";
import type { Stream } from "../../api/types";
import { when } from "../../lib/format";
import { Confirm } from "./Confirm";
import { Curl } from "./Curl";
import { notifyError } from "./notify";
import { Section } from "./Section";

export function PublisherCard({ name, stream }: { name: string; stream: Stream | null }) {
  const { t, i18n } = useTranslation();
  const [asking, setAsking] = useState(false);
  const kick = useChange((_: void) => del(`${streamPath(name)}/publisher`), "stream");
  const stopTest = useChange((id: string) => del(`/test-sources/${id}`), "test-sources", "stream");
  const test = useTestSources().data?.find((x) => x.stream === name);
  const p = stream?.publisher;
  return (
    <Section
      id="publisher-title"
      title={t("publisher.title")}
      aside={p && <Curl method="DELETE" path={`${streamPath(name)}/publisher`} />}
    >
      {p ? (
        <dl className="facts num">
          <dt>{t("publisher.protocol")}</dt>
          <dd>{t(`protocol.${p.protocol}`, { defaultValue: p.protocol.toUpperCase() })}</dd>
          <dt>{t("publisher.remote")}</dt>
          <dd className="mono">{p.remote || "–"}</dd>
          {p.software && (
            <>
              <dt>{t("publisher.software")}</dt>
              <dd>{p.software}</dd>
            </>
          )}
          {p.key_name && (
            <>
              <dt>{t("publisher.key")}</dt>
              <dd>{p.key_name}</dd>
            </>
          )}
          {stream?.since && (
            <>
              <dt>{t("publisher.since")}</dt>
              <dd>{when(i18n.language, stream.since)}</dd>
            </>
          )}
        </dl>
      ) : (
        <p className="muted">{t("publisher.none")}</p>
      )}
      {test ? (
        <Button
          mt="sm"
          variant="default"
          loading={stopTest.isPending}
          onClick={() => stopTest.mutate(test.id, { onError: notifyError })}
        >
          {t("test.stop")}
        </Button>
      ) : (
        p && (
          <Button
            mt="sm"
            variant="outline"
            color="red"
            leftSection={<IconPlugConnectedX size={18} />}
            onClick={() => setAsking(true)}
          >
            {t("publisher.kick")}
          </Button>
        )
      )}
      <Confirm
        opened={asking}
        title={t("publisher.kick")}
        text={t("publisher.kickText", { name })}
        action={t("publisher.kick")}
        onClose={() => setAsking(false)}
        onConfirm={() => kick.mutate(undefined, { onError: notifyError })}
      />
    </Section>
  );
}
