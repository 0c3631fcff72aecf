import { useTranslation } from "react-i18next";
import {
  ffmpegLine,
  ffmpegTestLine,
  gstreamerLine,
  rtmpServer,
  rtmpUrl,
  streamKey,
} from "../../lib/addresses";
import { CopyBlock, CopyRow } from "../parts/CopyRow";
import { Step } from "./Step";
import type { PublishProps } from "./types";

export function FfmpegTab({ place, masked, secret }: PublishProps) {
  const { t } = useTranslation();
  const fill = (line: typeof ffmpegLine) => async () => line(place, await secret());
  const show = (line: typeof ffmpegLine) => unescapeMask(line(place, masked), masked);
  return (
    <ol className="steps">
      <Step n={1} title={t("lines.ffmpegTest")}>
        <CopyBlock
          id="ffmpeg-test"
          label={t("lines.testPicture")}
          shown={show(ffmpegTestLine)}
          value={fill(ffmpegTestLine)}
        />
      </Step>
      <Step n={2} title={t("lines.ffmpegFile")}>
        <CopyBlock id="ffmpeg" label={t("lines.file")} shown={show(ffmpegLine)} value={fill(ffmpegLine)} />
        <p className="muted">{t("lines.gop")}</p>
      </Step>
    </ol>
  );
}

export function GstreamerTab({ place, masked, secret }: PublishProps) {
  const { t } = useTranslation();
  return (
    <ol className="steps">
      <Step n={1} title={t("lines.gstreamer")}>
        <CopyBlock
          id="gstreamer"
          label={t("lines.testPicture")}
          shown={unescapeMask(gstreamerLine(place, masked), masked)}
          value={async () => gstreamerLine(place, await secret())}
        />
      </Step>
    </ol>
  );
}

export function VmixTab(props: PublishProps) {
  const { t } = useTranslation();
  return (
    <ol className="steps">
      <Step n={1} title={t("vmix.step1")}>
        <p>{t("vmix.text1")}</p>
        <ServerAndKey {...props} />
      </Step>
      <Step n={2} title={t("vmix.step2")}>
        <p>{t("vmix.text2")}</p>
      </Step>
      <Step n={3} title={t("vmix.step3")}>
        <p>{t("vmix.text3")}</p>
      </Step>
    </ol>
  );
}

export function CameraTab({ place, masked, secret, version }: PublishProps) {
  const { t } = useTranslation();
  return (
    <ol className="steps">
      <Step n={1} title={t("camera.step1")}>
        <p>{t("camera.text1")}</p>
        <CopyRow
          id="rtmp-url"
          label={t("publish.url")}
          shown={unescapeMask(rtmpUrl(place, masked), masked)}
          value={async () => rtmpUrl(place, await secret())}
          secret
          version={version}
        />
      </Step>
      <Step n={2} title={t("camera.step2")}>
        <p>{t("camera.text2")}</p>
      </Step>
    </ol>
  );
}

function ServerAndKey({ place, masked, secret, version }: PublishProps) {
  const { t } = useTranslation();
  return (
    <>
      <CopyRow id="server" label="URL" shown={rtmpServer(place)} value={() => rtmpServer(place)} />
      <CopyRow
        id="key"
        label={t("vmix.key")}
        shown={unescapeMask(streamKey(place, masked), masked)}
        value={async () => streamKey(place, await secret())}
        secret
        version={version}
      />
    </>
  );
}

/** The mask's dots are not part of an address and read badly when escaped. */
export function unescapeMask(text: string, masked: string): string {
  return text.replaceAll(encodeURIComponent(masked), masked);
}
