import { Button } from "@mantine/core";
import { IconQrcode } from "@tabler/icons-react";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { larixLink, rtmpUrl } from "../../lib/addresses";
import { CopyRow } from "../parts/CopyRow";
import { notifyError } from "../parts/notify";
import { unescapeMask } from "./LineTabs";
import { Step } from "./Step";
import type { PublishProps } from "./types";

export function PhoneTab({ place, masked, secret, version }: PublishProps) {
  const { t } = useTranslation();
  const [link, setLink] = useState<string | null>(null);
  const [svg, setSvg] = useState("");
  // biome-ignore lint/correctness/useExhaustiveDependencies: another host or key makes the drawn code wrong
  useEffect(() => setLink(null), [place.host, version]);
  useEffect(() => {
    if (!link) return setSvg("");
    let gone = false;
    void import("qrcode")
      .then((q) => q.toString(link, { type: "svg", errorCorrectionLevel: "M", margin: 2 }))
      .then((s) => !gone && setSvg(s))
      .catch(notifyError);
    return () => {
      gone = true;
    };
  }, [link]);
  const draw = async () => setLink(larixLink(place, await secret()));
  return (
    <ol className="steps">
      <Step n={1} title={t("phone.step1")}>
        <p>{t("phone.text1")}</p>
      </Step>
      <Step n={2} title={t("phone.step2")}>
        <p>{t("phone.text2")}</p>
        {svg ? (
          <img
            className="qr"
            src={`data:image/svg+xml;utf8,${encodeURIComponent(svg)}`}
            alt={t("phone.qr")}
            width={220}
            height={220}
          />
        ) : (
          <Button leftSection={<IconQrcode size={18} />} onClick={() => void draw().catch(notifyError)}>
            {t("phone.draw")}
          </Button>
        )}
        <p className="muted">{t("phone.qrHint")}</p>
        <CopyRow
          id="rtmp-url"
          label={t("publish.url")}
          shown={unescapeMask(rtmpUrl(place, masked), masked)}
          value={async () => rtmpUrl(place, await secret())}
          secret
          version={version}
        />
      </Step>
      <Step n={3} title={t("phone.step3")}>
        <p>{t("phone.text3")}</p>
      </Step>
    </ol>
  );
}
