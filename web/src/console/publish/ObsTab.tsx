import { Button, Group, SegmentedControl } from "@mantine/core";
import { IconDownload, IconRefresh } from "@tabler/icons-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { rtmpServer, streamKey, whipUrl } from "../../lib/addresses";
import { type ObsTarget, obsProfile, profileName } from "../../lib/obs";
import { Confirm } from "../parts/Confirm";
import { CopyRow } from "../parts/CopyRow";
import { Step } from "./Step";
import type { PublishProps } from "./types";

export function ObsTab(props: PublishProps) {
  const { place, masked, secret, newKey, webrtc, version } = props;
  const { t } = useTranslation();
  const [protocol, setProtocol] = useState<"rtmp" | "whip">("rtmp");
  const [asking, setAsking] = useState(false);
  const whip = protocol === "whip";
  const server = whip ? whipUrl(place) : rtmpServer(place);
  const shownKey = whip ? masked : streamKey(place, "").replace(/=$/, `=${masked}`);
  const key = async () => (whip ? secret() : streamKey(place, await secret()));
  const download = async () => {
    const target: ObsTarget = { kind: protocol, server, key: await key() };
    save(obsProfile(place.name, target, new Date()), `${profileName(place.name)}.zip`);
  };
  return (
    <ol className="steps">
      <Step n={1} title={t("obs.step1")}>
        {webrtc && (
          <SegmentedControl
            mb="sm"
            value={protocol}
            aria-label={t("obs.protocol")}
            onChange={(v) => setProtocol(v as "rtmp" | "whip")}
            data={[
              { value: "rtmp", label: "RTMP" },
              { value: "whip", label: t("obs.whip") },
            ]}
          />
        )}
        <Dialog server={server} keyText={shownKey} whip={whip} />
        <CopyRow id="server" label={t("obs.server")} shown={server} value={() => server} />
        <CopyRow
          id="key"
          label={t(whip ? "obs.bearer" : "obs.key")}
          shown={shownKey}
          value={key}
          secret
          version={version}
        />
        <Button
          variant="subtle"
          size="compact-sm"
          leftSection={<IconRefresh size={16} />}
          onClick={() => setAsking(true)}
        >
          {t("publish.newKey")}
        </Button>
      </Step>
      <Step n={2} title={t("obs.step2")}>
        <p>{t(whip ? "obs.step2whip" : "obs.step2text")}</p>
        <Group gap="sm">
          <Button variant="default" leftSection={<IconDownload size={18} />} onClick={() => void download()}>
            {t("obs.download")}
          </Button>
          <span className="muted">{t("obs.downloadHint")}</span>
        </Group>
      </Step>
      <Step n={3} title={t("obs.step3")}>
        <p>{t("obs.step3text")}</p>
      </Step>
      <Confirm
        opened={asking}
        title={t("publish.newKey")}
        text={t("publish.newKeyText")}
        action={t("publish.newKey")}
        onClose={() => setAsking(false)}
        onConfirm={newKey}
      />
    </ol>
  );
}

/** OBS's own dialog, drawn: the two fields hold the values, so that the eye finds the place. */
function Dialog({ server, keyText, whip }: { server: string; keyText: string; whip: boolean }) {
  const { t } = useTranslation();
  const rows = [
    [t("obs.service"), whip ? "WHIP" : t("obs.custom")],
    [t("obs.server"), server],
    [t(whip ? "obs.bearer" : "obs.key"), keyText],
  ];
  return (
    <div className="obsdialog" role="img" aria-label={t("obs.dialog")}>
      <div className="obsdialog-side" aria-hidden="true">
        <span>{t("obs.menu.general")}</span>
        <span className="on">{t("obs.menu.stream")}</span>
        <span>{t("obs.menu.output")}</span>
        <span>{t("obs.menu.audio")}</span>
        <span>{t("obs.menu.video")}</span>
      </div>
      <div className="obsdialog-form" aria-hidden="true">
        {rows.map(([name, value]) => (
          <div key={name}>
            <span>{name}</span>
            <b>{value}</b>
          </div>
        ))}
      </div>
    </div>
  );
}

export function save(bytes: Uint8Array<ArrayBuffer>, file: string): void {
  const url = URL.createObjectURL(new Blob([bytes], { type: "application/zip" }));
  const a = document.createElement("a");
  a.href = url;
  a.download = file;
  a.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
